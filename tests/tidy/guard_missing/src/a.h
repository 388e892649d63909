/* a */
/* floor: 1 */
#pragma once
struct s;
