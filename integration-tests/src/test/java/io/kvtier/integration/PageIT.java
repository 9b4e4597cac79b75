package io.kvtier.integration;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** The page of the admin listener in a headless Chromium, where one is installed. */
@Timeout(value = 5, unit = TimeUnit.MINUTES)
class PageIT {
    private static final String SAMPLE =
            ProjectRoot.find().resolve("examples/sample/novel.safetensors").toString();
    private static final String PICTURES = "kvtier.pictures";

    @TempDir private Path folder;

    @Test
    void page_showsTheNumbersOfStats_withoutAnErrorOrAnotherHost() throws Exception {
        Optional<Path> chromium = chromium();
        assumeTrue(chromium.isPresent(), "Chromium is not installed");
        try (CommandProcess node = CommandProcess.start(folder)) {
            assertThat(run(node, "put", SAMPLE).exitCode()).isZero();
            String out = folder.resolve("out.safetensors").toString();
            assertThat(run(node, "get", SAMPLE, "--out", out).exitCode()).isZero();
            JsonNode stats = stats(node);
            String url = stats.path("admin").asText();
            Path log = folder.resolve("chromium.log");
            String page = browse(chromium.get(), log, "--dump-dom", url);
            assertThat(page).contains(stats.path("endpoint").asText());
            assertThat(text(page, "ready")).isEqualTo("ready");
            JsonNode series = stats.at("/service/series/0");
            long asked = 0;
            for (JsonNode count : series.path("lookups")) {
                asked += count.asLong();
            }
            long held = series.at("/lookups/held").asLong();
            assertThat(text(page, "hitRatio"))
                    .isEqualTo(
                            String.format(java.util.Locale.ROOT, "%.1f %%", 100. * held / asked));
            for (JsonNode tier : stats.at("/store/tiers")) {
                assertThat(rows(page, "tiers"))
                        .anyMatch(
                                row ->
                                        row.getFirst().equals(tier.path("name").asText())
                                                && row.get(4)
                                                        .equals(tier.path("entries").asText()));
            }
            assertThat(rows(page, "series").getLast())
                    .startsWith("none", series.path("namespace").asText())
                    .contains(String.valueOf(asked), series.at("/puts/stored").asText());
            assertThat(Files.readString(log)).doesNotContain("CONSOLE");
            assertThat(page.replace(url, ""))
                    .doesNotContain("src=\"http")
                    .doesNotContain("@import");
            picture(chromium.get(), url);
        }
    }

    /** With -Dkvtier.pictures=FOLDER it also leaves pictures there. */
    private void picture(Path chromium, String url) throws Exception {
        String target = System.getProperty(PICTURES);
        if (target != null) {
            for (String size : List.of("1100,900", "400,900")) {
                Path file =
                        Path.of(target, "page-" + size.substring(0, size.indexOf(',')) + ".png");
                String _ =
                        browse(
                                chromium,
                                folder.resolve("picture.log"),
                                "--screenshot=" + file,
                                "--window-size=" + size,
                                url);
                assertThat(file).exists();
            }
        }
    }

    private String browse(Path chromium, Path log, String... args) throws Exception {
        List<String> line = new ArrayList<>();
        line.add(chromium.toString());
        line.addAll(
                List.of(
                        "--headless",
                        "--no-sandbox",
                        "--disable-gpu",
                        "--enable-logging=stderr",
                        "--virtual-time-budget=5000",
                        "--user-data-dir=" + folder.resolve("profile")));
        line.addAll(List.of(args));
        Path out = Files.createTempFile(folder, "page", ".html");
        Process process =
                new ProcessBuilder(line)
                        .redirectOutput(out.toFile())
                        .redirectError(log.toFile())
                        .start();
        if (!process.waitFor(120, TimeUnit.SECONDS)) {
            process.destroyForcibly();
            throw new IOException("Chromium does not end: " + Files.readString(log));
        }
        return Files.readString(out);
    }

    private static String text(String page, String id) {
        Matcher element = Pattern.compile("id=\"" + id + "\"[^>]*>([^<]*)<").matcher(page);
        assertThat(element.find()).as("element %s", id).isTrue();
        return element.group(1);
    }

    private static List<List<String>> rows(String page, String id) {
        int from = page.indexOf("<table id=\"" + id + "\"");
        assertThat(from).as("table %s", id).isNotNegative();
        String table = page.substring(from, page.indexOf("</table>", from));
        List<List<String>> out = new ArrayList<>();
        for (String row : table.split("<tr>", -1)) {
            List<String> cells = new ArrayList<>();
            Matcher cell = Pattern.compile("<t[dh]>(.*?)</t[dh]>").matcher(row);
            while (cell.find()) {
                cells.add(cell.group(1));
            }
            if (!cells.isEmpty()) {
                out.add(cells);
            }
        }
        return out;
    }

    private static Optional<Path> chromium() {
        return Stream.of(System.getenv().getOrDefault("PATH", "").split(File.pathSeparator, -1))
                .flatMap(
                        each ->
                                Stream.of("chromium", "chromium-browser")
                                        .map(Path.of(each)::resolve))
                .filter(Files::isExecutable)
                .findFirst();
    }

    private JsonNode stats(CommandProcess node) throws Exception {
        String output = run(node, "stats", "--json").output();
        return new ObjectMapper().readTree(output.substring(output.indexOf("{\"endpoint")));
    }

    private CommandProcess.Result run(CommandProcess node, String... args) throws Exception {
        List<String> line = new ArrayList<>(List.of(args));
        line.addAll(List.of("--node", node.endpoint()));
        return CommandProcess.run(folder, line.toArray(String[]::new));
    }
}
