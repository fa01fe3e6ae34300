/*
 * fake_names.c - preloaded into quell by webhook_test.py: the name meta.test has a link-local
 * address, as a name server of somebody's choosing could say.
 */
#include <dlfcn.h>
#include <netdb.h>
#include <string.h>

typedef int resolve(const char *, const char *, const struct addrinfo *, struct addrinfo **);

__attribute__((visibility("default"))) int getaddrinfo(const char *name, const char *service,
                                                       const struct addrinfo *hints,
                                                       struct addrinfo **found) {
    resolve *real = (resolve *)dlsym(RTLD_NEXT, "getaddrinfo");
    const char *asked = name != NULL && strcmp(name, "meta.test") == 0 ? "169.254.169.254" : name;
    return real(asked, service, hints, found);
}
