/* manifest */
#include "api.h"
