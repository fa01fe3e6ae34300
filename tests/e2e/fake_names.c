/*
 * fake_names.c - preloaded into quell by webhook_test.py and postgres_test.py: the name meta.test
 * has a link-local address, as a name server of somebody's choosing could say; two.test has two
 * addresses, at the first of which nobody listens; of slow.test nothing is known, and that only
 * after a long time; no.test and what ends in it is no name.
 */
#include <dlfcn.h>
#include <netdb.h>
#include <string.h>
#include <unistd.h>

enum { SLOW_S = 90 };

typedef int resolve(const char *, const char *, const struct addrinfo *, struct addrinfo **);

/* As the C library makes and frees such a list: link by link. */
static int find_two(resolve *real, const char *service, const struct addrinfo *hints,
                    struct addrinfo **found) {
    struct addrinfo *second = NULL;
    int code = real("127.0.0.2", service, hints, found);
    if (code == 0) {
        code = real("127.0.0.1", service, hints, &second);
    }
    if (code == 0) {
        (*found)->ai_next = second;
    }
    return code;
}

__attribute__((visibility("default"))) int getaddrinfo(const char *name, const char *service,
                                                       const struct addrinfo *hints,
                                                       struct addrinfo **found) {
    resolve *real = (resolve *)dlsym(RTLD_NEXT, "getaddrinfo");
    if (name != NULL && strcmp(name, "slow.test") == 0) {
        (void)sleep(SLOW_S);
        return EAI_AGAIN;
    }
    if (name != NULL && strcmp(name, "two.test") == 0) {
        return find_two(real, service, hints, found);
    }
    size_t size = name != NULL ? strlen(name) : 0;
    if (size >= strlen("no.test") && strcmp(name + size - strlen("no.test"), "no.test") == 0) {
        return EAI_NONAME;
    }
    const char *asked = name != NULL && strcmp(name, "meta.test") == 0 ? "169.254.169.254" : name;
    return real(asked, service, hints, found);
}
