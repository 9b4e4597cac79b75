/**
 * Tests that see all modules: the arrows between them, tidiness of the sources, the class path,
 * real processes and faults.
 */
@NullMarked
package io.kvtier.integration;

import org.jspecify.annotations.NullMarked;
