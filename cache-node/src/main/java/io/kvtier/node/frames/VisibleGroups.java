package io.kvtier.node.frames;

import io.kvtier.codec.identity.Geometry;
import io.kvtier.codec.profile.Profile;
import io.kvtier.codec.profile.ProfileGroup;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * What of a chunk the queries behind its context can see: a layer with a sliding window of w tokens
 * shows a query at position p those from p − w + 1 on, and later queries fewer.
 *
 * @param hidden layer groups of the frame of which no token is seen in any layer, ascending
 * @param elements of K and V in the others
 */
public record VisibleGroups(List<Integer> hidden, long elements) {
    /** Copies the list. */
    public VisibleGroups {
        hidden = List.copyOf(hidden);
    }

    /**
     * What is seen of a chunk whose tokens {@code end} before position {@code end}.
     *
     * @param tokens of the chunk
     * @param position of the first query behind the context
     */
    public static VisibleGroups of(
            Profile profile, Geometry geometry, int end, int tokens, int position) {
        int shared = profile.frameLayerGroups() - profile.layerGroups();
        List<Integer> hidden = new ArrayList<>();
        long width = 0;
        for (int layerGroup = 0; layerGroup < profile.layerGroups(); layerGroup++) {
            if (isSeen(profile.group(layerGroup, 0), geometry, end, position)) {
                for (int head = 0; head < profile.headGroups(); head++) {
                    width += profile.group(layerGroup, head).width();
                }
            } else {
                hidden.add(shared + layerGroup);
            }
        }
        return new VisibleGroups(hidden, width * tokens);
    }

    private static boolean isSeen(ProfileGroup group, Geometry geometry, int end, int position) {
        return Arrays.stream(group.layers())
                .map(geometry.window()::get)
                .anyMatch(window -> window < 0 || end > position - window + 1);
    }
}
