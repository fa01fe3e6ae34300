/* slack_tool.c - an incident's JSON on stdin, what Slack is sent on stdout: for slack_blocks.py. */
#include <stdio.h>
#include <string.h>

#include "core/base/text.h"
#include "sinks/slack_blocks.h"

static char incident[8 * 1024 * 1024];
static char answer[1024 * 1024];

int main(int count, char **words) {
    if (count != 3) {
        return 2;
    }
    size_t size = fread(incident, 1, sizeof(incident), stdin);
    struct text text = text_over(answer, sizeof(answer));
    bool is_repeat = strcmp(words[2], "repeated") == 0;
    bool is_update = is_repeat || strcmp(words[2], "updated") == 0;
    struct slack_told told = {.type = strcmp(words[2], "resolved") == 0 ? OUTBOX_RESOLVED
                                      : is_update                       ? OUTBOX_UPDATED
                                                                        : OUTBOX_OPENED,
                              .is_repeat = is_repeat};
    bool is_interactive = strcmp(words[1], "interactive") == 0;
    struct slack_links links = {
        .open_url = SLICE("https://quell.example/i/{id}"),
        .acknowledge_url =
            is_interactive ? slice_of(NULL, 0) : SLICE("https://quell.example/i/{id}/ack"),
        .acknowledge_sink = is_interactive ? SLICE("on call") : slice_of(NULL, 0)};
    text_add_text(&text, "{");
    if (strcmp(words[1], "reply") == 0) {
        slack_add_reply(&text, told, slice_of(incident, size));
    } else {
        slack_add_message(&text, told, slice_of(incident, size), &links);
    }
    text_add_text(&text, "}");
    return fwrite(text.data, 1, text.size, stdout) == text.size ? 0 : 1;
}
