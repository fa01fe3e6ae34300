/* certificate.c - see certificate.h. */
#include "cli/certificate.h"

#include "core/clock.h"

void certificate_tell(const struct config *config, struct stats *stats,
                      const struct logger *logger) {
    const struct tls_validity *validity = &config->tls.validity;
    char memory[256];
    struct text words = text_over(memory, sizeof(memory));
    stats_set(stats, STAT_TLS_CERTIFICATE_ENDS_NS, validity->ends_ns);
    if (tls_validity_is_odd(validity, clock_wall_ns(), &words)) {
        log_write(logger, LOG_LEVEL_WARNING, "tls", "%s", memory);
    }
}
