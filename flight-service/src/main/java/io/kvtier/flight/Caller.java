package io.kvtier.flight;

import io.kvtier.codec.error.AccessDeniedException;

/**
 * Who makes a call: on whose behalf, and what they may do.
 *
 * @param tenant whose chunks the call sees
 * @param role what it may do with them
 */
public record Caller(Tenant tenant, Role role) {
    /** Everybody, where nobody is asked for a credential. */
    public static final Caller ANYONE = new Caller(Tenant.NONE, Role.NODE);

    /**
     * The tenant, if the caller may do what needs a role.
     *
     * @throws AccessDeniedException if not
     */
    Tenant as(Role needed) {
        if (!role.allows(needed)) {
            throw new AccessDeniedException(
                    "the credential's role is "
                            + role.label()
                            + ", expected "
                            + needed.label()
                            + " for this call");
        }
        return tenant;
    }
}
