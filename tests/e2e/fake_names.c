/*
 * fake_names.c - preloaded into quell by webhook_test.py: the name meta.test has a link-local
 * address, as a name server of somebody's choosing could say; of slow.test nothing is known, and
 * that only after a long time; no.test and what ends in it is no name.
 */
#include <dlfcn.h>
#include <netdb.h>
#include <string.h>
#include <unistd.h>

enum { SLOW_S = 90 };

typedef int resolve(const char *, const char *, const struct addrinfo *, struct addrinfo **);

__attribute__((visibility("default"))) int getaddrinfo(const char *name, const char *service,
                                                       const struct addrinfo *hints,
                                                       struct addrinfo **found) {
    resolve *real = (resolve *)dlsym(RTLD_NEXT, "getaddrinfo");
    if (name != NULL && strcmp(name, "slow.test") == 0) {
        (void)sleep(SLOW_S);
        return EAI_AGAIN;
    }
    size_t size = name != NULL ? strlen(name) : 0;
    if (size >= strlen("no.test") && strcmp(name + size - strlen("no.test"), "no.test") == 0) {
        return EAI_NONAME;
    }
    const char *asked = name != NULL && strcmp(name, "meta.test") == 0 ? "169.254.169.254" : name;
    return real(asked, service, hints, found);
}
