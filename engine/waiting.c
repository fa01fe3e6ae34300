/* waiting.c - see waiting.h. */
#include "engine/waiting.h"

#include "core/base/assert.h"

void waiting_add(struct waiting_list *list, struct gate *gate, struct batch *batch) {
    ASSERT(list->count < WAITING_MAX);
    list->items[list->count++] = (struct waiting){gate, batch};
}

void waiting_answer_all(struct waiting_list *list, enum status_code outcome) {
    for (uint32_t i = 0; i < list->count; i++) {
        gate_answer(list->items[i].gate, list->items[i].batch, outcome);
    }
    for (uint32_t i = 0; i < list->count; i++) {
        if (i == 0 || list->items[i].gate != list->items[i - 1].gate) {
            gate_wake_source(list->items[i].gate);
        }
    }
    list->count = 0;
}

void waiting_answer(struct waiting one, enum status_code outcome) {
    gate_answer(one.gate, one.batch, outcome);
    gate_wake_source(one.gate);
}
