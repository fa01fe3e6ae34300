/*
 * kin.c - errors that name the same host, address or directory have something in common that broke.
 *
 * The graph often does not know what both lean on: a resolver, a bucket, a disk. So a node that
 * nothing upstream explains joins an incident of the window whose members named the same resource;
 * the earlier of the two roots is the root. A node that has an explanation is left where it is.
 *
 * A resource is a host name (of two labels under a common public suffix, or of three and more),
 * an IPv4 address other than loopback and broadcast, or the first three folders of a path below a
 * root where data lives; but not the path of a program, as in a stack trace. Members keep hashes of
 * the first RESOURCES_PER_MEMBER_MAX they named.
 *
 * Bounded: KIN_LOOKED_AT_MAX members placed last are compared.
 */
#include "incident/causes.h"

#define KIN_LOOKED_AT_MAX 512u
#define KIN_MESSAGE_BYTES_MAX 2048u
#define PATH_FOLDERS 3u
#define HOST_BYTES_MIN 7u

static bool is_token_byte(uint8_t byte) {
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
           (byte >= '0' && byte <= '9') || byte == '.' || byte == '-' || byte == '_' || byte == '/';
}

static bool is_one_of(struct slice word, const char *const *words, size_t count) {
    for (size_t i = 0; i < count; i++) {
        if (slice_equals(word, slice_of_text(words[i]))) {
            return true;
        }
    }
    return false;
}

/* The next label of a dotted name, taken off *rest. */
static struct slice take_label(struct slice *rest) {
    struct slice label = slice_head(*rest, slice_find_byte(*rest, '.'));
    *rest = slice_tail(*rest, label.size + 1);
    return label;
}

static bool is_address(struct slice token) {
    struct slice rest = token;
    uint64_t first = 0;
    for (uint32_t i = 0; i < 4; i++) {
        uint64_t part = 0;
        struct slice label = take_label(&rest);
        if (label.size > 3 || !status_is_ok(text_parse_u64(label, &part)) || part > 255) {
            return false;
        }
        first = i == 0 ? part : first;
    }
    return rest.size == 0 && first != 0 && first != 127 && first != 255;
}

/* A class or module is dotted too, but ends in no suffix of hosts, or has capitals. */
static bool is_host(struct slice token) {
    static const char *const any[] = {"com", "net",     "org",   "io",  "local", "internal",
                                      "svc", "cluster", "cloud", "dev", "app",   "lan",
                                      "co",  "intra",   "corp",  "aws", "gov",   "edu"};
    uint32_t labels = 0;
    struct slice last = {0};
    if (token.size < HOST_BYTES_MIN) {
        return false;
    }
    for (struct slice rest = token; rest.size > 0; labels++) {
        last = take_label(&rest);
        if (last.size == 0) {
            return false;
        }
    }
    for (size_t i = 0; i < token.size; i++) {
        if (token.data[i] == '/' || (token.data[i] >= 'A' && token.data[i] <= 'Z')) {
            return false;
        }
    }
    return labels >= 3 ? is_one_of(last, any, sizeof(any) / sizeof(any[0]))
                       : labels == 2 && is_one_of(last, any, 3);
}

/* "/var/log/edge" of "/var/log/edge/agent.ndjson"; empty when it is no path to data. */
static struct slice path_of(struct slice token) {
    static const char *const roots[] = {"var",  "mnt", "data", "srv",    "opt",
                                        "home", "nfs", "vol",  "export", "media"};
    struct slice rest = slice_tail(token, 1);
    size_t end = 0;
    if (token.size == 0 || token.data[0] != '/') {
        return slice_of(NULL, 0);
    }
    for (uint32_t i = 0; i < PATH_FOLDERS; i++) {
        struct slice folder = slice_head(rest, slice_find_byte(rest, '/'));
        if (folder.size == 0 ||
            (i == 0 && !is_one_of(folder, roots, sizeof(roots) / sizeof(roots[0])))) {
            return slice_of(NULL, 0);
        }
        end += 1 + folder.size;
        rest = slice_tail(rest, folder.size + 1);
    }
    return slice_head(token, end);
}

/* A frame of a stack trace names the program that failed, not what it lacked: all jobs of one
 * scheduler have their code in one folder. */
static bool is_program(struct slice token) {
    static const char *const suffixes[] = {".py",  ".java", ".js", ".ts", ".rb", ".go",   ".php",
                                           ".sql", ".sh",   ".pl", ".c",  ".cc", ".rs",   ".jar",
                                           ".so",  ".cpp",  ".cs", ".kt", ".ex", ".scala"};
    for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
        struct slice suffix = slice_of_text(suffixes[i]);
        if (token.size > suffix.size &&
            slice_equals(slice_tail(token, token.size - suffix.size), suffix)) {
            return true;
        }
    }
    return false;
}

static struct slice resource_of(struct slice token) {
    while (token.size > 0 &&
           (token.data[token.size - 1] == '.' || token.data[token.size - 1] == '-' ||
            token.data[token.size - 1] == '/')) {
        token.size--;
    }
    if (slice_starts_with(token, SLICE("//"))) {
        token = slice_tail(token, 2); /* behind "https:" */
    } else if (token.size > 0 && token.data[0] == '/') {
        return is_program(token) ? slice_of(NULL, 0) : path_of(token);
    }
    token = slice_head(token, slice_find_byte(token, '/'));
    return is_address(token) || is_host(token) ? token : slice_of(NULL, 0);
}

static bool names_resource(const struct resources *resources, uint64_t resource) {
    for (uint32_t i = 0; i < resources->count; i++) {
        if (resources->items[i] == resource) {
            return true;
        }
    }
    return false;
}

bool resources_note(struct resources *resources, struct slice message, uint64_t hash_seed) {
    struct slice rest = slice_head(message, KIN_MESSAGE_BYTES_MAX);
    uint32_t before = resources->count;
    while (rest.size > 0 && resources->count < RESOURCES_PER_MEMBER_MAX) {
        size_t size = 0;
        while (size < rest.size && is_token_byte(rest.data[size])) {
            size++;
        }
        struct slice resource = resource_of(slice_head(rest, size));
        rest = slice_tail(rest, size + 1);
        if (resource.size == 0) {
            continue;
        }
        uint64_t hash = hash64_of(resource, hash_seed);
        if (!names_resource(resources, hash)) {
            resources->items[resources->count++] = hash;
        }
    }
    return resources->count > before;
}

bool resources_meet(const struct resources *a, const struct resources *b) {
    for (uint32_t i = 0; i < a->count; i++) {
        if (names_resource(b, a->items[i])) {
            return true;
        }
    }
    return false;
}

struct incident *kin_find(struct incidents *incidents, const struct outlook *outlook,
                          const struct resources *resources, const struct incident *exclude) {
    struct incident *best = NULL;
    uint32_t at = resources->count == 0 ? INDEX_NONE : placed_last(incidents, outlook->tenant_hash);
    for (uint32_t i = 0; i < KIN_LOOKED_AT_MAX && at != INDEX_NONE; i++) {
        struct member *member = member_at(incidents, at);
        struct incident *incident = incident_at(incidents, member->incident);
        at = member->placed_previous;
        if (member->is_recovered || incident == exclude ||
            incident->tenant_hash != outlook->tenant_hash || !incident_is_live(incident) ||
            !cause_is_in_window(outlook, member->since_ns, member->last_signal_ns) ||
            !resources_meet(resources, &member->resources)) {
            continue;
        }
        if (best == NULL || incident_precedes(incidents, incident_slot(incidents, incident),
                                              incident_slot(incidents, best))) {
            best = incident;
        }
    }
    return best;
}
