package io.kvtier.flight;

/**
 * Says who makes a call. The scope of every store key comes from here, never from a request: who
 * could choose the scope could read what others stored.
 *
 * <p>Thread-safety: called from many threads.
 */
@FunctionalInterface
public interface Authenticator {
    /**
     * Accepts or refuses a call.
     *
     * @param authorization value of the call's {@code authorization} header, empty when absent
     * @throws io.kvtier.codec.error.AccessDeniedException to refuse
     */
    Caller authenticate(String authorization);

    /** Accepts everybody as {@link Caller#ANYONE}. */
    static Authenticator anonymous() {
        return authorization -> Caller.ANYONE;
    }
}
