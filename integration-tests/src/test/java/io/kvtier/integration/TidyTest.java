package io.kvtier.integration;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.FileVisitResult;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.SimpleFileVisitor;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Objects;
import java.util.Set;
import java.util.function.Predicate;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/** House style that no compiler checks: sizes, names, white space, and links of the documents. */
class TidyTest {

    private static final int FILE_LINES_MAX = 500;
    private static final int LINE_COLUMNS_MAX = 100;
    private static final int README_LINES_MAX = 120;

    private static final Set<String> SKIPPED_FOLDERS =
            Set.of(
                    ".git", ".venv", ".idea", ".vscode", ".kvtier", "target", "build", "dist",
                    "out");
    private static final Pattern TEXT_FILE =
            Pattern.compile(".*\\.(java|py|md|xml|ya?ml|toml|sh|flags|properties)");
    private static final Pattern BANNED_WORD =
            Pattern.compile("(Utils?|Manager|Helpers?|Impl|Abstract|Base)(?![a-z0-9])");
    private static final Pattern MARKDOWN_LINK = Pattern.compile("\\[[^]]*]\\(([^)\\s]+)\\)");
    private static final Pattern CODE = Pattern.compile("(?s)```.*?```|`[^`\n]*`");

    private final Path root = ProjectRoot.find();
    private final List<Path> files = listFiles(root);

    @Test
    void javaAndPythonFiles_areShort() {
        assertThat(
                        sources()
                                .filter(file -> lines(file).size() > FILE_LINES_MAX)
                                .map(file -> name(file) + ": " + lines(file).size() + " lines"))
                .as("files of more than %d lines: split them", FILE_LINES_MAX)
                .isEmpty();
    }

    @Test
    void javaAndPythonLines_areShort() {
        assertThat(offences(sources(), TidyTest::isTooLong))
                .as("lines of more than %d columns", LINE_COLUMNS_MAX)
                .isEmpty();
    }

    @Test
    void lines_endWithoutWhiteSpace() {
        assertThat(offences(textFiles(), line -> !line.equals(line.stripTrailing())))
                .as("trailing white space")
                .isEmpty();
    }

    @Test
    void tests_doNotSleep() {
        // Split, so that this line is no offence itself.
        String sleep = "Thread." + "sleep(";
        Stream<Path> tests = sources().filter(file -> name(file).contains("/src/test/"));
        assertThat(offences(tests, line -> line.contains(sleep)))
                .as("sleeping tests: wait for a condition with a deadline")
                .isEmpty();
    }

    @Test
    void mainTypes_haveTellingNames() {
        assertThat(
                        mainSources()
                                .map(TidyTest::typeName)
                                .filter(type -> BANNED_WORD.matcher(type).find()))
                .as("type names that say nothing (%s)", BANNED_WORD)
                .isEmpty();
    }

    @Test
    void mainPackages_areNullMarked() {
        assertThat(
                        mainSources()
                                .map(file -> Objects.requireNonNull(file.getParent()))
                                .distinct()
                                .map(folder -> folder.resolve("package-info.java"))
                                .filter(info -> !declaresNullMarked(info))
                                .map(this::name))
                .as("missing, or without @NullMarked")
                .isEmpty();
    }

    @Test
    void readme_isShort() {
        Path readme = root.resolve("README.md");
        if (Files.exists(readme)) {
            assertThat(lines(readme)).hasSizeLessThanOrEqualTo(README_LINES_MAX);
        }
    }

    @Test
    void documentLinks_resolve() {
        List<String> broken = new ArrayList<>();
        for (Path file : files) {
            if (!name(file).endsWith(".md")) {
                continue;
            }
            Matcher link = MARKDOWN_LINK.matcher(CODE.matcher(text(file)).replaceAll(""));
            while (link.find()) {
                if (!resolves(file, link.group(1))) {
                    broken.add(name(file) + ": " + link.group(1));
                }
            }
        }
        assertThat(broken).as("links to files or headings that do not exist").isEmpty();
    }

    private boolean resolves(Path document, String link) {
        if (link.matches("[a-z]+:.*")) {
            return true;
        }
        int hash = link.indexOf('#');
        String path = hash < 0 ? link : link.substring(0, hash);
        Path target = path.isEmpty() ? document : document.resolveSibling(path).normalize();
        if (!target.startsWith(root) || !Files.exists(target)) {
            return false;
        }
        return hash < 0
                || !target.toString().endsWith(".md")
                || headings(target).contains(link.substring(hash + 1));
    }

    /** The anchors of a document's headings, as GitHub makes them. */
    private static List<String> headings(Path document) {
        return lines(document).stream()
                .filter(line -> line.startsWith("#"))
                .map(line -> line.replaceFirst("^#+\\s*", "").toLowerCase(Locale.ROOT))
                .map(line -> line.replaceAll("[^\\p{L}\\p{N}\\s_-]", "").replace(' ', '-'))
                .toList();
    }

    private static boolean isTooLong(String line) {
        return line.codePointCount(0, line.length()) > LINE_COLUMNS_MAX
                && !line.startsWith("import ")
                && !line.contains("<tr>") // the formatter joins the rows of a Javadoc table
                && !line.contains("://");
    }

    private List<String> offences(Stream<Path> candidates, Predicate<String> isOffence) {
        List<String> found = new ArrayList<>();
        candidates.forEach(
                file -> {
                    List<String> lines = lines(file);
                    for (int index = 0; index < lines.size(); index++) {
                        if (isOffence.test(lines.get(index))) {
                            found.add(name(file) + ":" + (index + 1));
                        }
                    }
                });
        return found;
    }

    private Stream<Path> textFiles() {
        return files.stream().filter(file -> TEXT_FILE.matcher(name(file)).matches());
    }

    private Stream<Path> sources() {
        return files.stream()
                .filter(file -> name(file).endsWith(".java") || name(file).endsWith(".py"));
    }

    private Stream<Path> mainSources() {
        return files.stream()
                .filter(file -> name(file).contains("/src/main/java/"))
                .filter(file -> name(file).endsWith(".java"));
    }

    private String name(Path file) {
        return root.relativize(file).toString().replace('\\', '/');
    }

    private static String typeName(Path file) {
        return String.valueOf(file.getFileName()).replace(".java", "");
    }

    private static boolean declaresNullMarked(Path packageInfo) {
        return Files.exists(packageInfo) && text(packageInfo).contains("@NullMarked");
    }

    private static List<String> lines(Path file) {
        return text(file).lines().toList();
    }

    private static String text(Path file) {
        try {
            return Files.readString(file);
        } catch (IOException e) {
            throw new UncheckedIOException("not readable as UTF-8: " + file, e);
        }
    }

    private static List<Path> listFiles(Path root) {
        List<Path> found = new ArrayList<>();
        try {
            Files.walkFileTree(
                    root,
                    new SimpleFileVisitor<>() {
                        @Override
                        public FileVisitResult preVisitDirectory(
                                Path folder, BasicFileAttributes attributes) {
                            return SKIPPED_FOLDERS.contains(String.valueOf(folder.getFileName()))
                                    ? FileVisitResult.SKIP_SUBTREE
                                    : FileVisitResult.CONTINUE;
                        }

                        @Override
                        public FileVisitResult visitFile(
                                Path file, BasicFileAttributes attributes) {
                            found.add(file);
                            return FileVisitResult.CONTINUE;
                        }
                    });
        } catch (IOException e) {
            throw new UncheckedIOException("cannot list " + root, e);
        }
        return List.copyOf(found);
    }
}
