/* ecs_dev.h: the one manifest of ecs.h. It includes the modules from ground to roof, can be
 * compiled as it is, and is what tools/amalgamate.c makes ecs.h from. */
#include "api.h"
#include "macros.h"

#ifdef ECS_IMPLEMENTATION
#include "platform.h"
#include "atomic.h"
#include "thread.h"
#include "base.h"
#include "memory.h"
#include "container.h"
#include "deque.h"
#include "waiter.h"
#include "idle.h"
#include "entity.h"
#include "component.h"
#include "storage.h"
#include "edit.h"
#include "resource.h"
#include "event.h"
#include "query.h"
#include "command.h"
#include "schedule.h"
#include "hash.h"
#include "explain.h"
#include "world.h"
#endif
