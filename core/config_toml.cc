/*
 * config_toml.cc - the adapter to toml++: parses, merges, copies into the arena. Nothing of C++ leaves
 * this file, no exception crosses it.
 */
/* Compiled in here: the packaged library is built with exceptions. */
#undef TOML_HEADER_ONLY
#undef TOML_SHARED_LIB
#define TOML_HEADER_ONLY 1
#define TOML_EXCEPTIONS 0
/* One of its assertions fires on bad input ("[a.]"); what follows it refuses the input anyway. */
#define TOML_ASSERT(expression) static_cast<void>(0)
#define TOML_ENABLE_UNRELEASED_FEATURES 0
#include <toml++/toml.h>

#include <cmath>
#include <cstring>
#include <iomanip>
#include <sstream>
#include <string>
#include <string_view>

/* C's rule that an initialiser leaves the rest zero is not a mistake, as C++ warns. */
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"
extern "C" {
#include "core/config_toml.h"
}

namespace {

std::string_view view_of(struct slice bytes) {
    return {reinterpret_cast<const char *>(bytes.data), bytes.size};
}

struct slice slice_from(const void *data, size_t size) {
    struct slice slice;
    slice.data = static_cast<const uint8_t *>(data);
    slice.size = size;
    return slice;
}

struct status status_from(enum status_code code) {
    struct status status;
    status.code = code;
    return status;
}

struct status copy_text(std::string_view text, struct arena *arena, struct slice *copy_out) {
    return arena_copy(arena, slice_from(text.data(), text.size()), copy_out);
}

enum toml_kind kind_of(const toml::node &node) {
    switch (node.type()) {
    case toml::node_type::string:
        return TOML_STRING;
    case toml::node_type::integer:
        return TOML_INTEGER;
    case toml::node_type::floating_point:
        return TOML_FLOAT;
    case toml::node_type::boolean:
        return TOML_BOOLEAN;
    case toml::node_type::date:
        return TOML_DATE;
    case toml::node_type::time:
        return TOML_TIME;
    case toml::node_type::date_time:
        return node.as_date_time()->get().offset ? TOML_DATE_TIME_OFFSET : TOML_DATE_TIME;
    case toml::node_type::array:
        return TOML_ARRAY;
    default:
        return TOML_TABLE;
    }
}

void set_place(const toml::source_region &region, struct arena *arena, struct toml_value *value) {
    value->line = region.begin.line;
    value->column = region.begin.column;
    if (region.path) {
        struct status ignored = copy_text(*region.path, arena, &value->file);
        (void)ignored;
    }
}

/* Text form of a scalar that is not a string. */
std::string written(const toml::node &node) {
    std::ostringstream out;
    out << std::boolalpha << std::setprecision(17);
    node.visit([&out](const auto &value) {
        if constexpr (toml::is_value<decltype(value)>) {
            out << value.get();
        }
    });
    return out.str();
}

struct toml_value *allocate_values(struct arena *arena, size_t count) {
    return static_cast<struct toml_value *>(arena_allocate_array(
        arena, count + 1, sizeof(struct toml_value), alignof(struct toml_value)));
}

struct status copy_node(const toml::node &node, struct arena *arena, struct toml_value *value);

struct status copy_table(const toml::table &table, struct arena *arena, struct toml_value *value) {
    value->children = allocate_values(arena, table.size());
    if (value->children == nullptr) {
        return status_from(STATUS_FULL);
    }
    for (const auto &[key, child] : table) {
        struct toml_value *entry = &value->children[value->children_count];
        TRY(copy_node(child, arena, entry));
        TRY(copy_text(key.str(), arena, &entry->key));
        set_place(key.source(), arena, entry);
        value->children_count++;
    }
    return status_from(STATUS_OK);
}

struct status copy_array(const toml::array &array, struct arena *arena, struct toml_value *value) {
    value->children = allocate_values(arena, array.size());
    if (value->children == nullptr) {
        return status_from(STATUS_FULL);
    }
    for (const auto &child : array) {
        TRY(copy_node(child, arena, &value->children[value->children_count]));
        value->children_count++;
    }
    return status_from(STATUS_OK);
}

struct status copy_node(const toml::node &node, struct arena *arena, struct toml_value *value) {
    value->kind = kind_of(node);
    set_place(node.source(), arena, value);
    if (const auto *table = node.as_table()) {
        return copy_table(*table, arena, value);
    }
    if (const auto *array = node.as_array()) {
        return copy_array(*array, arena, value);
    }
    if (const auto *text = node.as_string()) {
        return copy_text(text->get(), arena, &value->text);
    }
    value->integer = node.value_or<int64_t>(0);
    value->number = node.value_or<double>(0);
    value->boolean = node.value_or<bool>(false);
    return copy_text(written(node), arena, &value->text);
}

void merge(toml::table &base, toml::table &&over) {
    for (auto &&[key, child] : over) {
        auto *under = base.get(key);
        if (under != nullptr && under->is_table() && child.is_table()) {
            merge(*under->as_table(), std::move(*child.as_table()));
        } else {
            base.insert_or_assign(key, std::move(child));
        }
    }
}

struct status parse_error(const toml::parse_error &error, const struct toml_source &source,
                          struct fault *fault) {
    std::ostringstream words;
    words << error.description();
    const auto place = error.source().begin;
    return fault_set(fault, STATUS_INVALID, "%.*s:%u:%u: %s", static_cast<int>(source.name.size),
                     reinterpret_cast<const char *>(source.name.data), place.line, place.column,
                     words.str().c_str());
}

} // namespace

extern "C" struct status toml_parse(const struct toml_source *sources, uint32_t sources_count,
                                    struct arena *arena, struct toml_value *root_out,
                                    struct fault *fault) {
    toml::table root;
    for (uint32_t i = 0; i < sources_count; i++) {
        auto result = toml::parse(view_of(sources[i].text), view_of(sources[i].name));
        if (!result) {
            return parse_error(result.error(), sources[i], fault);
        }
        if (i == 0) {
            root = std::move(result).table();
        } else {
            merge(root, std::move(result).table());
        }
    }
    std::memset(root_out, 0, sizeof(*root_out));
    return copy_node(root, arena, root_out);
}
