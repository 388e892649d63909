/* fuzz_commands.c: bytes become a stream of edits, commands and queries on a world, which the
 * reference model checks. The first bytes choose the world's limits. */

#define ECS_IMPLEMENTATION
#define TEST_NO_MAIN
#include "../test.h"

#define MODEL_STOP() abort()
#include "../model.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static model m;
    model_source source;
    model_config config;
    memset(&source, 0, sizeof source);
    source.data = data;
    source.bytes = size;
    if (data == NULL) return 0;
    config = model_config_pick(&source);
    config.steps = 100000;
    model_open(&m, &source, &config);
    while (model_step(&m)) {}
    model_close(&m);
    return 0;
}
