package io.kvtier.codec.vectors;

import static org.assertj.core.api.Assertions.assertThat;

import io.kvtier.codec.identity.Digest;
import io.kvtier.codec.identity.KeyChain;
import io.kvtier.codec.identity.Namespace;
import io.kvtier.codec.testing.Frames;
import io.kvtier.codec.testing.Samples;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

class IdentityVectorTest {
    @Test
    void namespaces_haveTheseBytesAndDigests() throws IOException {
        List<Object> cases = new ArrayList<>();
        for (Map.Entry<String, Namespace> sample : Samples.namespaces().entrySet()) {
            Namespace namespace = sample.getValue();
            byte[] bytes = namespace.toBytes();
            assertThat(Namespace.parse(ByteBuffer.wrap(bytes))).isEqualTo(namespace);
            cases.add(
                    Json.object(
                            "name",
                            sample.getKey(),
                            "fields",
                            namespace,
                            "bytes",
                            bytes,
                            "digest",
                            namespace.digest(),
                            "shapeDigest",
                            namespace.geometry().shapeDigest()));
            Golden.holdSeed("namespace", "sample-" + cases.size(), bytes);
        }
        Golden.holdJson("namespaces", Json.object("cases", cases));
    }

    @Test
    void keys_followFromNamespaceAndTokens() throws IOException {
        List<Object> cases = new ArrayList<>();
        Namespace base = Frames.namespace();
        for (int[] shape : new int[][] {{4, 0}, {4, 3}, {4, 4}, {4, 11}, {16, 40}}) {
            Namespace namespace =
                    new Namespace(
                            base.kind(),
                            shape[0],
                            base.model(),
                            base.adapter(),
                            base.keyScheme(),
                            base.layout(),
                            base.geometry());
            int[] tokens = Samples.tokens(shape[1]);
            cases.add(
                    Json.object(
                            "namespace",
                            namespace.toBytes(),
                            "chunkTokens",
                            shape[0],
                            "tokens",
                            Arrays.stream(tokens).boxed().toList(),
                            "keys",
                            KeyChain.of(namespace, tokens),
                            "keysWithRest",
                            KeyChain.withRest(namespace, tokens),
                            "tokenDigest",
                            KeyChain.tokenDigest(tokens, 0, tokens.length)));
        }
        byte[] extra = Samples.digest("image").toBytes();
        int[] tokens = {1, 2, 3, 0x7fffffff};
        Digest parent = base.digest();
        Map<String, Object> multimodal =
                Json.object(
                        "parent",
                        parent,
                        "tokens",
                        List.of(1, 2, 3, 0x7fffffff),
                        "extra",
                        extra,
                        "key",
                        KeyChain.next(parent, tokens, 0, 4, extra));
        Golden.holdJson("keys", Json.object("chains", cases, "multimodal", multimodal));
    }
}
