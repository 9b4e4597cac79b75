package io.kvtier.flight;

import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyStore;
import java.util.Base64;

/**
 * PEM files of a self-signed certificate for 127.0.0.1, which is its own authority, and of its key.
 * Made by the JDK's keytool.
 */
record Certificates(Path certificate, Path key) {
    private static final String PASSWORD = "changeit";

    /** Makes both in a folder, {@code NAME.pem} and {@code NAME.key}. */
    static Certificates make(Path folder, String name) {
        try {
            Path store = folder.resolve(name + ".p12");
            Files.deleteIfExists(store);
            Process keytool =
                    new ProcessBuilder(
                                    Path.of(System.getProperty("java.home"), "bin", "keytool")
                                            .toString(),
                                    "-genkeypair",
                                    "-alias",
                                    name,
                                    "-keyalg",
                                    "EC",
                                    "-dname",
                                    "CN=" + name,
                                    "-ext",
                                    "san=ip:127.0.0.1,dns:localhost",
                                    "-ext",
                                    "bc:c",
                                    "-keystore",
                                    store.toString(),
                                    "-storepass",
                                    PASSWORD)
                            .inheritIO()
                            .start();
            if (keytool.waitFor() != 0) {
                throw new IllegalStateException("keytool ended with " + keytool.exitValue());
            }
            KeyStore keys = KeyStore.getInstance("PKCS12");
            try (InputStream in = Files.newInputStream(store)) {
                keys.load(in, PASSWORD.toCharArray());
            }
            Certificates made =
                    new Certificates(folder.resolve(name + ".pem"), folder.resolve(name + ".key"));
            write(made.certificate, "CERTIFICATE", keys.getCertificate(name).getEncoded());
            byte[] key = keys.getKey(name, PASSWORD.toCharArray()).getEncoded();
            write(made.key, "PRIVATE KEY", key);
            return made;
        } catch (IOException | GeneralSecurityException e) {
            throw new IllegalStateException(e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IllegalStateException(e);
        }
    }

    private static void write(Path file, String what, byte[] der) throws IOException {
        String body = Base64.getMimeEncoder(64, new byte[] {'\n'}).encodeToString(der);
        Files.writeString(
                file, "-----BEGIN " + what + "-----\n" + body + "\n-----END " + what + "-----\n");
    }
}
