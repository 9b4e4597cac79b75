package io.kvtier.codec.method.policy;

import static io.kvtier.codec.error.InvalidRequestException.check;

import java.util.Optional;

/**
 * Which shares of weights, cache and activations to keep on accelerator, host and disk so that a
 * layer's turn takes least: FlexGen's placement, Y. Sheng et al., ICML 2023, arXiv 2303.06865,
 * section 4.3. The paper relaxes it to a linear program and rounds; this tries every placement on a
 * grid of 5 %, about twelve million, and so finds the program's optimum on that grid.
 *
 * <p>A turn moves what is not on the accelerator, over both links at once and beside computing: it
 * takes as long as the slowest of the three. What is on disk passes the host link too.
 *
 * @param accelerator bytes of its memory
 * @param host bytes of its memory
 * @param hostLink bytes a second between host and accelerator
 * @param diskLink bytes a second between disk and host
 * @param computeSeconds of a turn
 */
public record LinearProgramPlacement(
        double accelerator, double host, double hostLink, double diskLink, double computeSeconds) {
    /** Parts of a whole on the grid. */
    public static final int PARTS = 20;

    /** Checks the ranges. */
    public LinearProgramPlacement {
        check(accelerator >= 0 && host >= 0, "memory", accelerator + ", " + host, "0 or more");
        check(hostLink > 0 && diskLink > 0, "links", hostLink + ", " + diskLink, "above 0");
        check(computeSeconds >= 0, "compute seconds", computeSeconds, "0 or more");
    }

    /**
     * Where one thing lies, in twentieths; the rest is on disk.
     *
     * @param accelerator on the accelerator
     * @param host on the host
     */
    public record Shares(int accelerator, int host) {
        int disk() {
            return PARTS - accelerator - host;
        }
    }

    /** Where everything lies, and how long a turn takes. */
    public record Placement(Shares weights, Shares cache, Shares activations, double seconds) {}

    /**
     * The placement with the least time; ties to more of the weights, then the cache, then the
     * activations on the accelerator, then on the host. Empty if nothing fits, which a disk without
     * bound rules out.
     *
     * @param weights bytes
     * @param cache bytes
     * @param activations bytes
     */
    public Optional<Placement> best(double weights, double cache, double activations) {
        double[] sizes = {weights, cache, activations};
        Search search = new Search(sizes);
        search.place(0, 0, 0, 0, 0);
        return Optional.ofNullable(search.found);
    }

    /** Seconds of a turn that moves so many bytes over the links. */
    double seconds(double hostBytes, double diskBytes) {
        double moving = Math.max(hostBytes / hostLink, diskBytes / diskLink);
        return Math.max(moving, computeSeconds);
    }

    /** Depth-first over weights, cache and activations. */
    private final class Search {
        private final double[] sizes;
        private final Shares[] chosen = new Shares[3];
        private double least = Double.POSITIVE_INFINITY;
        @org.jspecify.annotations.Nullable private Placement found;

        Search(double[] sizes) {
            this.sizes = sizes;
        }

        void place(int thing, double onAccelerator, double onHost, double moved, double fromDisk) {
            if (seconds(moved, fromDisk) >= least) {
                return; // no better than what was found, whatever follows
            }
            if (thing == sizes.length) {
                least = seconds(moved, fromDisk);
                found = new Placement(chosen[0], chosen[1], chosen[2], least);
                return;
            }
            double part = sizes[thing] / PARTS;
            for (int fast = PARTS; fast >= 0; fast--) {
                for (int middle = PARTS - fast; middle >= 0; middle--) {
                    Shares shares = new Shares(fast, middle);
                    double used = onAccelerator + fast * part;
                    double held = onHost + middle * part;
                    if (used > accelerator || held > host) {
                        continue;
                    }
                    chosen[thing] = shares;
                    double rest = (PARTS - fast) * part;
                    place(thing + 1, used, held, moved + rest, fromDisk + shares.disk() * part);
                }
            }
        }
    }
}
