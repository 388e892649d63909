/* library.h: the library under the checker; its checks of itself fail the scenario. */
#ifndef MODEL_LIBRARY_H
#define MODEL_LIBRARY_H

#include "atomics.h"

#include "base.h"

#undef ECSI_CHECK
#define ECSI_CHECK(c) MODEL_REQUIRE(c)

#endif /* MODEL_LIBRARY_H */
