/* tls_internal.h - what the two sides of TLS share. Only tls*.c include it. */
#pragma once

#include <mbedtls/ssl.h>
#include <mbedtls/x509_crt.h>

#include "core/base/fault.h"
#include "core/base/slice.h"
#include "core/base/status.h"
#include "core/tls.h"

/* The kernel's, so that nothing is shared. */
int tls_fill_random(void *context, unsigned char *bytes, size_t size);
/* PEM, wiped behind itself. INVALID with words that begin with `what`. */
MUST_CHECK struct status tls_read_certificates(mbedtls_x509_crt *chain, struct slice pem,
                                               const char *what, struct fault *fault);
MUST_CHECK struct status tls_read_key(mbedtls_pk_context *key, struct slice pem,
                                      struct fault *fault);
/* Those of one configuration, whichever of its servers made them. */
void tls_tickets_configure(struct tls_tickets *tickets, mbedtls_ssl_config *config);
/* "what: mbedTLS's words" */
struct status tls_explain(struct fault *fault, const char *what, int error);
