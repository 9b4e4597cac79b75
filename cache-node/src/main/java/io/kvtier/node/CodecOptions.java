package io.kvtier.node;

import io.kvtier.codec.error.CorruptChunkException;
import io.kvtier.codec.error.InvalidRequestException;
import io.kvtier.codec.error.KvtierException;
import io.kvtier.codec.identity.Digest;
import io.kvtier.codec.identity.Geometry;
import io.kvtier.codec.profile.DataFree;
import io.kvtier.codec.profile.Level;
import io.kvtier.codec.profile.Profile;
import io.kvtier.codec.profile.ProfileFile;
import io.kvtier.codec.profile.ProfileOutline;
import io.kvtier.node.tensors.CacheFile;
import io.kvtier.node.tensors.SafetensorsFile;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** Options of every command that codes files, and what they stand for. */
final class CodecOptions {
    @Option(
            names = "--profile",
            paramLabel = "FILE",
            description = "Calibrated profile of the model (default: the data-free codec).")
    private @Nullable Path profile;

    private @Nullable Profile read;

    /** Options that name the same profile, for a process of our own. */
    List<String> arguments() {
        List<String> out = new ArrayList<>();
        if (profile != null) {
            out.addAll(List.of("--profile", profile.toString()));
        }
        return out;
    }

    /** The profile for a geometry; its file is read once. */
    Profile profile(Geometry geometry) throws IOException {
        Profile known = read;
        if (known == null || !known.shape().equals(geometry.shapeDigest())) {
            known = profile == null ? DataFree.of(geometry) : read(profile, geometry);
            read = known;
        }
        return known;
    }

    /** The profile's levels; empty when it names none. */
    List<Level> levels() throws IOException {
        return profile == null ? List.of() : outline(profile).levels();
    }

    /** What a profile's file says of itself. */
    static ProfileOutline outline(Path path) throws IOException {
        try {
            return ProfileFile.outline(Files.readAllBytes(path));
        } catch (CorruptChunkException | InvalidRequestException e) {
            throw unusable(path, e);
        }
    }

    /** How messages name the profile. */
    String profileName() {
        return profile == null ? "the data-free codec" : profile.toString();
    }

    /** A profile's file; one that cannot be used is named. */
    static Profile read(Path path, Geometry geometry) throws IOException {
        return read(path, Files.readAllBytes(path), geometry);
    }

    /** The same of bytes that were read from the path already. */
    static Profile read(Path path, byte[] bytes, Geometry geometry) {
        try {
            return ProfileFile.read(bytes, geometry);
        } catch (CorruptChunkException | InvalidRequestException e) {
            throw unusable(path, e);
        }
    }

    private static InvalidRequestException unusable(Path path, KvtierException e) {
        return new InvalidRequestException(path + ": " + e.getMessage());
    }

    /**
     * Reads a whole cache. Frames in files are shared with nobody, so the name of a model may stand
     * for the digest of its weights where the file does not say it.
     */
    static CacheFile cache(Path path, Optional<String> model, Arena arena) throws IOException {
        Map<String, String> metadata = SafetensorsFile.read(path, arena).metadata();
        Optional<String> weights = model;
        if (weights.isEmpty() && !metadata.containsKey("model_sha256")) {
            weights =
                    Optional.ofNullable(metadata.get("model"))
                            .map(name -> name.getBytes(StandardCharsets.UTF_8))
                            .map(name -> Digest.sha256(name).toString());
        }
        CacheFile cache = CacheFile.read(path, weights, arena);
        InvalidRequestException.check(
                cache.keys().isPresent(), "tensor 'k' of " + path, "missing", "a whole cache");
        return cache;
    }
}
