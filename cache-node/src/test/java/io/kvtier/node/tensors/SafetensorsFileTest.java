package io.kvtier.node.tensors;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.kvtier.codec.error.InvalidRequestException;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Files of others: sound ones come back, all others are refused by name, whatever they claim. */
class SafetensorsFileTest {
    private static final String TWO =
            "{'a':{'dtype':'F16','shape':[2,3],'data_offsets':[0,12]},"
                    + "'b':{'dtype':'I32','shape':[2],'data_offsets':[12,20]},"
                    + "'__metadata__':{'model':'m'}}";

    @TempDir private Path folder;

    @Test
    void read_whatWriteWrote_isTheSame() throws IOException {
        byte[] data = new byte[24];
        new SplittableRandom(1).nextBytes(data);
        Tensor k = new Tensor("k", "BF16", List.of(3, 2, 2), MemorySegment.ofArray(data));
        Tensor none = new Tensor("none", "F32", List.of(0, 7), MemorySegment.NULL);
        Tensor one = new Tensor("one", "I64", List.of(), MemorySegment.ofArray(new byte[8]));
        Path file = folder.resolve("x.safetensors");
        SafetensorsFile.write(file, Map.of("model", "ab"), List.of(k, none, one));
        try (Arena arena = Arena.ofConfined()) {
            SafetensorsFile read = SafetensorsFile.read(file, arena);
            assertThat(read.metadata()).containsExactly(Map.entry("model", "ab"));
            assertThat(read.tensors()).containsOnlyKeys("k", "none", "one");
            assertThat(read.tensor("k").shape()).containsExactly(3, 2, 2);
            assertThat(read.tensor("k").dtype()).isEqualTo("BF16");
            assertThat(read.tensor("k").data().toArray(ValueLayout.JAVA_BYTE)).isEqualTo(data);
            assertThatThrownBy(() -> read.tensor("v"))
                    .isInstanceOf(InvalidRequestException.class)
                    .hasMessageContaining("'v' is missing");
        }
    }

    @Test
    void read_cutAnywhere_isRefusedWithThePath() throws IOException {
        byte[] whole = file(TWO, 20);
        try (Arena arena = Arena.ofConfined()) {
            assertThat(read(whole, arena).tensors()).hasSize(2);
            for (int length = 0; length < whole.length; length++) {
                byte[] cut = Arrays.copyOf(whole, length);
                assertThatThrownBy(() -> read(cut, arena))
                        .as("%d bytes", length)
                        .isInstanceOf(InvalidRequestException.class)
                        .hasMessageContaining(folder.resolve("file").toString());
            }
        }
    }

    @ParameterizedTest
    @ValueSource(longs = {0, 1, 1 << 23, 1L << 32, Long.MAX_VALUE, -1, Long.MIN_VALUE})
    void read_headerLengthThatLies_isRefused(long length) {
        byte[] bytes = file(TWO, 20);
        ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).putLong(0, length);
        refuses(bytes, "safetensors header bytes is " + Long.toUnsignedString(length));
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            textBlock =
                    """
                    [0,12]|[11,19]|begin is 11, expected 12
                    [0,12]|[0,8]|begin is 0, expected 8
                    [0,12]|[13,21]|within the 20 bytes
                    [0,12]|[20,12]|data_offsets of 'b' is [20,12]
                    [0,12]|[-8,0]|data_offsets of 'b'
                    [0,12]|[12,18446744073709551616]|data_offsets of 'b'
                    [0,12]|[12.5,20]|data_offsets of 'b'
                    [0,12]|[12,20,28]|data_offsets of 'b'
                    [0,12]|{}|data_offsets of 'b'
                    [0,12]|[12,16]|bytes of 'b' is 4, expected 8
                    """)
    void read_offsetsThatLieOrOverlap_areRefused(String a, String b, String message) {
        refuses(file(TWO.replace("[0,12]", a).replace("[12,20]", b), 20), message);
    }

    @Test
    void read_bytesThatNoTensorNames_areRefused() {
        refuses(file(TWO, 21), "bytes that tensors name is 20, expected 21");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "[2,-3]",
                "[2,3.5]",
                "[2,4294967299]",
                "[2147483647,2147483647,2147483647]",
                "[4294967297,6]",
                "6",
                "['2',3]"
            })
    void read_shapeThatLies_isRefused(String shape) {
        refuses(file(TWO.replace("[2,3]", shape), 20), "of 'a'");
    }

    @ParameterizedTest
    @ValueSource(strings = {"F8_E4M3", "f16", "", "C64"})
    void read_unknownDtype_isRefusedByName(String dtype) {
        refuses(file(TWO.replace("'F16'", "'" + dtype + "'"), 20), "dtype is '" + dtype + "'");
    }

    @ParameterizedTest
    @ValueSource(strings = {"[1,2]", "7", "{'a':", "{'a':3}", "{'a':{},'a':{}}", "null"})
    void read_headerThatIsNoTable_isRefused(String json) {
        refuses(file(json, 0), "");
    }

    @Test
    void read_anyByteOfTheHeaderChanged_isRefusedOrStillWithinTheFile() throws IOException {
        SplittableRandom random = new SplittableRandom(3);
        byte[] good = file(TWO, 20);
        int refused = 0;
        try (Arena arena = Arena.ofConfined()) {
            for (int round = 0; round < 2000; round++) {
                byte[] bad = good.clone();
                bad[random.nextInt(good.length - 20)] = (byte) random.nextInt();
                try {
                    long bytes = 0;
                    for (Tensor tensor : read(bad, arena).tensors().values()) {
                        bytes += tensor.data().toArray(ValueLayout.JAVA_BYTE).length;
                    }
                    assertThat(bytes).isLessThanOrEqualTo(20);
                } catch (InvalidRequestException e) {
                    refused++;
                }
            }
        }
        assertThat(refused).isGreaterThan(1000);
    }

    @Test
    void read_noSuchFile_saysSo() {
        try (Arena arena = Arena.ofConfined()) {
            assertThatThrownBy(() -> SafetensorsFile.read(folder.resolve("none"), arena))
                    .isInstanceOf(NoSuchFileException.class);
        }
    }

    private void refuses(byte[] bytes, String message) {
        try (Arena arena = Arena.ofConfined()) {
            assertThatThrownBy(() -> read(bytes, arena))
                    .isInstanceOf(InvalidRequestException.class)
                    .hasMessageContaining(message);
        }
    }

    private SafetensorsFile read(byte[] bytes, Arena arena) throws IOException {
        return SafetensorsFile.read(Files.write(folder.resolve("file"), bytes), arena);
    }

    /** A file of a header, in single quotes, and so many bytes of data. */
    private static byte[] file(String header, int data) {
        byte[] json = header.replace('\'', '"').getBytes(StandardCharsets.UTF_8);
        ByteBuffer out = ByteBuffer.allocate(8 + json.length + data);
        out.order(ByteOrder.LITTLE_ENDIAN).putLong(json.length).put(json);
        return out.array();
    }
}
