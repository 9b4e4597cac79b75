package io.kvtier.flight;

import io.kvtier.codec.error.UnavailableException;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * The lines of a small file of credentials, without comments ({@code #}) and blank ones.
 *
 * @param number of the line, from 1
 * @param text without spaces around it
 */
record FileLines(int number, String text) {
    private static final long BYTES_MAX = 1 << 20;

    /**
     * Reads a file.
     *
     * @throws UnavailableException if it cannot be read or is longer than 1 MiB
     */
    static List<FileLines> of(Path file) {
        try {
            if (Files.size(file) > BYTES_MAX) {
                throw new IOException(
                        file
                                + " has "
                                + Files.size(file)
                                + " bytes, expected at most "
                                + BYTES_MAX);
            }
            List<FileLines> lines = new ArrayList<>();
            List<String> all = Files.readAllLines(file, StandardCharsets.UTF_8);
            for (int i = 0; i < all.size(); i++) {
                String text = all.get(i).strip();
                if (!text.isEmpty() && text.charAt(0) != '#') {
                    lines.add(new FileLines(i + 1, text));
                }
            }
            return lines;
        } catch (IOException e) {
            throw new UnavailableException(file + " cannot be read: " + e.getMessage(), e);
        }
    }
}
