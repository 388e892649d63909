/* manifest */
#include "a.h"
