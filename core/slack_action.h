/*
 * slack_action.h - what a Slack sink's button and the endpoint that Slack calls agree upon.
 *
 * The button's value is "<incident id> <tenant> <sink>". Slack sends it back in a form field
 * `payload`, signed by the sink's signing_secret: "v0=" and the hex HMAC-SHA256 of
 * "v0:<timestamp>:<body>" in X-Slack-Signature, the seconds in X-Slack-Request-Timestamp.
 */
#pragma once

#define SLACK_ACTION_ACKNOWLEDGE "quell_acknowledge"
#define SLACK_SETTING_SECRET "signing_secret"
/* "verify that the timestamp does not differ from local time by more than five minutes" */
#define SLACK_STALE_NS (5 * NS_PER_MINUTE)
