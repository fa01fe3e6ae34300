/* tls_validity.c - see tls_validity.h. */
#include "core/tls_validity.h"

#include <time.h>

#include "core/base/assert.h"
#include "core/base/limits.h"
#include "core/tls_internal.h"

/* Who renews by hand needs some days, who renews by ACME does it with 30 days left. */
#define WARN_NS (14 * NS_PER_DAY)
enum { YEAR_MIN = 1970, YEAR_MAX = 2500 }; /* what nanoseconds since 1970 can say */

static uint64_t ns_of(const mbedtls_x509_time *time) {
    struct tm parts = {
        .tm_year = time->year - 1900,
        .tm_mon = time->mon - 1,
        .tm_mday = time->day,
        .tm_hour = time->hour,
        .tm_min = time->min,
        .tm_sec = time->sec,
    };
    if (time->year < YEAR_MIN) {
        return 0;
    }
    if (time->year > YEAR_MAX) {
        parts = (struct tm){.tm_year = YEAR_MAX - 1900, .tm_mday = 1};
    }
    return (uint64_t)timegm(&parts) * NS_PER_S;
}

struct status tls_read_validity(struct slice chain, struct tls_validity *validity_out,
                                struct fault *fault) {
    struct tls_validity validity = {.ends_ns = UINT64_MAX};
    mbedtls_x509_crt certificates;
    mbedtls_x509_crt_init(&certificates);
    struct status status = tls_read_certificates(&certificates, chain, "the certificate", fault);
    for (const mbedtls_x509_crt *one = &certificates; status_is_ok(status) && one != NULL;
         one = one->next) {
        uint64_t begins_ns = ns_of(&one->valid_from);
        uint64_t ends_ns = ns_of(&one->valid_to);
        validity.begins_ns = begins_ns > validity.begins_ns ? begins_ns : validity.begins_ns;
        validity.ends_ns = ends_ns < validity.ends_ns ? ends_ns : validity.ends_ns;
    }
    mbedtls_x509_crt_free(&certificates);
    TRY(status);
    *validity_out = validity;
    return status_ok();
}

bool tls_validity_is_odd(const struct tls_validity *validity, uint64_t now_ns, struct text *words) {
    if (validity->ends_ns == 0) {
        return false;
    }
    bool is_early = now_ns < validity->begins_ns;
    bool is_late = now_ns >= validity->ends_ns;
    if (!is_early && !is_late && validity->ends_ns - now_ns > WARN_NS) {
        return false;
    }
    text_add_text(words, is_late    ? "the certificate of tls.cert_file ended at "
                         : is_early ? "the certificate of tls.cert_file begins only at "
                                    : "the certificate of tls.cert_file ends at ");
    text_add_time(words, is_early && !is_late ? validity->begins_ns : validity->ends_ns, 0);
    text_add_text(words, is_early || is_late ? ": clients refuse it" : "");
    return true;
}
