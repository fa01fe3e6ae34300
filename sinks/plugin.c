/* plugin.c - see plugin.h. */
#include "sinks/plugin.h"

#include <dlfcn.h>
#include <libgen.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PATH_BYTES_MAX 1024

typedef const struct sink_type *type_function(void);

/* Whether only root or we can write it. */
static bool is_ours(const char *path) {
    struct stat info;
    return stat(path, &info) == 0 && (info.st_uid == 0 || info.st_uid == geteuid()) &&
           (info.st_mode & (S_IWGRP | S_IWOTH)) == 0;
}

static struct status check_path(const char *path, struct fault *fault) {
    char folder[PATH_BYTES_MAX];
    struct text text = text_over(folder, sizeof(folder));
    text_add_text(&text, path);
    if (text.truncated || !is_ours(path) || !is_ours(dirname(folder))) {
        return fault_set(fault, STATUS_INVALID,
                         "the shared object is missing, or others may write it or its folder");
    }
    return status_ok();
}

/* One of the three shapes, whole. */
static bool is_whole(const struct sink_type *type) {
    bool is_http = type->build_request != NULL && type->read_response != NULL;
    bool is_watching = type->start != NULL && type->cancel != NULL;
    return type->name != NULL && type->setting_names != NULL && type->open != NULL &&
           (is_http || is_watching || type->deliver != NULL);
}

static struct status load_type(const char *path, const struct sink_type **type_out,
                               struct fault *fault) {
    void *object = dlopen(path, RTLD_NOW | RTLD_LOCAL); /* the same again counts only */
    if (object == NULL) {
        return fault_set(fault, STATUS_INVALID, "cannot be loaded: %s", dlerror());
    }
    void *symbol = dlsym(object, "quell_sink_type");
    type_function *function = NULL;
    memcpy(&function, &symbol, sizeof(function)); /* POSIX: an object pointer may be a function's */
    const struct sink_type *type = function == NULL ? NULL : function();
    if (type == NULL) {
        return fault_set(fault, STATUS_INVALID, "the shared object exports no quell_sink_type()");
    }
    if (type->abi_version != SINK_ABI_VERSION || !is_whole(type)) {
        return fault_set(fault, STATUS_INVALID,
                         "the shared object is made for ABI %u, this quell has %u",
                         type->abi_version, SINK_ABI_VERSION);
    }
    *type_out = type;
    return status_ok();
}

struct status plugin_find_type(const struct config_sink *sink, const struct sink_type **type_out,
                               struct fault *fault) {
    char path[PATH_BYTES_MAX];
    struct text text = text_over(path, sizeof(path));
    text_add(&text, sink->type);
    if (!slice_starts_with(sink->type, SLICE("/")) || text.truncated) {
        return fault_set(fault, STATUS_INVALID,
                         "type is none of stdout, webhook, slack, postgres, kafka, nor the "
                         "absolute path of a shared object");
    }
    TRY(check_path(path, fault));
    return load_type(path, type_out, fault);
}
