package io.kvtier.flight;

import java.util.Locale;
import java.util.Optional;

/** What a caller may do; each role may do what those before it may. */
public enum Role {
    /** Look up and stream chunks, read profiles. */
    READER,
    /** Put chunks and profiles. */
    WRITER,
    /** Change and inspect the node. */
    ADMIN,
    /** Speak as a node of the cluster. */
    NODE;

    /** Whether a caller of this role may do what needs another. */
    public boolean allows(Role needed) {
        return compareTo(needed) >= 0;
    }

    /** As it is written in files: lower case. */
    public String label() {
        return name().toLowerCase(Locale.ROOT);
    }

    /** The role of a label. */
    public static Optional<Role> of(String label) {
        for (Role role : values()) {
            if (role.label().equals(label)) {
                return Optional.of(role);
            }
        }
        return Optional.empty();
    }
}
