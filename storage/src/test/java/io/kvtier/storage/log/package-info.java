/** Tests of the log, on real files and on a medium that loses what was not synced. */
@NullMarked
package io.kvtier.storage.log;

import org.jspecify.annotations.NullMarked;
