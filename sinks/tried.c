/* tried.c - see tried.h. */
#include "sinks/tried.h"

#include <stdlib.h>

static bool grow(struct tried_list *list) {
    if (list->count < list->capacity) {
        return true;
    }
    uint32_t wanted = list->capacity == 0 ? 16 : list->capacity * 2;
    struct tried *grown = realloc(list->items, wanted * sizeof(*grown));
    if (grown == NULL) {
        return false;
    }
    list->items = grown;
    list->capacity = wanted;
    return true;
}

void tried_note(struct tried_list *list, const struct sink_queue *queue) {
    for (uint32_t i = 0; i < queue->count; i++) {
        const struct queued_message *message = &queue->messages[i];
        if (message->attempts > 0 && grow(list)) {
            list->items[list->count++] =
                (struct tried){message->number, message->attempts, message->attempts_told};
            list->is_sorted = false;
        }
    }
}

static int compare(const void *a, const void *b) {
    const struct tried *left = a;
    const struct tried *right = b;
    return left->number < right->number ? -1 : left->number > right->number ? 1 : 0;
}

struct tried tried_find(struct tried_list *list, uint64_t number) {
    const struct tried wanted = {.number = number};
    if (list->count == 0) {
        return wanted;
    }
    if (!list->is_sorted) {
        qsort(list->items, list->count, sizeof(struct tried), compare);
        list->is_sorted = true;
    }
    const struct tried *found =
        bsearch(&wanted, list->items, list->count, sizeof(struct tried), compare);
    return found != NULL ? *found : wanted;
}

void tried_deinit(struct tried_list *list) {
    free(list->items);
    *list = (struct tried_list){0};
}
