// verify_tool.cc - the official verifier over one envelope from stdin: exit 0 when it is sound.
#include <cstdint>
#include <iostream>
#include <iterator>
#include <vector>

#include "envelope_generated.h"

int main() {
    std::vector<std::uint8_t> bytes{std::istreambuf_iterator<char>(std::cin), {}};
    flatbuffers::Verifier verifier(bytes.data(), bytes.size());
    return quell::VerifyEnvelopeBuffer(verifier) ? 0 : 1;
}
