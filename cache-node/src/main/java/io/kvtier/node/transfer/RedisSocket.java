package io.kvtier.node.transfer;

import static java.nio.charset.StandardCharsets.US_ASCII;

import io.kvtier.codec.error.UnavailableException;
import java.io.BufferedInputStream;
import java.io.BufferedOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.Socket;

/**
 * Values of a Redis server by a plain socket: SET, GET and INFO of its protocol, one command at a
 * time.
 */
public final class RedisSocket implements AutoCloseable {
    private static final int PATIENCE_MILLIS = 30_000;
    private static final int BUFFER_BYTES = 256 << 10;
    private static final int LINE_BYTES_MAX = 4096;
    private static final int VALUE_BYTES_MAX = 64 << 20;

    private final Socket socket;
    private final InputStream in;
    private final OutputStream out;
    private byte[] value = new byte[BUFFER_BYTES];

    /** Connects. */
    public RedisSocket(String host, int port) throws IOException {
        socket = new Socket(host, port);
        socket.setTcpNoDelay(true);
        socket.setSoTimeout(PATIENCE_MILLIS);
        in = new BufferedInputStream(socket.getInputStream(), BUFFER_BYTES);
        out = new BufferedOutputStream(socket.getOutputStream(), BUFFER_BYTES);
    }

    /** Stores a value. */
    public void set(String key, byte[] bytes) throws IOException {
        command(new byte[][] {ascii("SET"), ascii(key), bytes});
        String reply = line();
        if (!reply.equals("+OK")) {
            throw new IOException("Redis answered " + reply + " to SET, expected +OK");
        }
    }

    /** Reads a value and returns its length. */
    public int get(String key) throws IOException {
        command(new byte[][] {ascii("GET"), ascii(key)});
        return bulk();
    }

    /** Deletes a value. */
    public void delete(String key) throws IOException {
        command(new byte[][] {ascii("DEL"), ascii(key)});
        String _ = line();
    }

    /** Processor seconds that the server has used. */
    public double cpuSeconds() {
        try {
            command(new byte[][] {ascii("INFO"), ascii("cpu")});
            String text = new String(value, 0, bulk(), US_ASCII);
            return text.lines()
                    .filter(line -> line.matches("used_cpu_(sys|user):.*"))
                    .mapToDouble(line -> Double.parseDouble(line.substring(line.indexOf(':') + 1)))
                    .sum();
        } catch (IOException e) {
            throw new UnavailableException("Redis does not say what it used", e);
        }
    }

    @Override
    public void close() throws IOException {
        socket.close();
    }

    private void command(byte[][] words) throws IOException {
        out.write(ascii("*" + words.length + "\r\n"));
        for (byte[] word : words) {
            out.write(ascii("$" + word.length + "\r\n"));
            out.write(word);
            out.write(ascii("\r\n"));
        }
        out.flush();
    }

    private int bulk() throws IOException {
        String head = line();
        if (!head.matches("\\$\\d{1,8}")) {
            throw new IOException("Redis answered " + head + ", expected a value");
        }
        int length = Integer.parseInt(head.substring(1));
        if (length > VALUE_BYTES_MAX) {
            throw new IOException("Redis sends " + length + " bytes, at most " + VALUE_BYTES_MAX);
        }
        if (value.length < length + 2) {
            value = new byte[length + 2];
        }
        int got = in.readNBytes(value, 0, length + 2);
        if (got != length + 2) {
            throw new IOException("Redis sent " + got + " of " + (length + 2) + " bytes");
        }
        return length;
    }

    private String line() throws IOException {
        StringBuilder text = new StringBuilder();
        for (int next = in.read(); next != '\n'; next = in.read()) {
            if (next < 0 || text.length() > LINE_BYTES_MAX) {
                throw new IOException("Redis ended within a line: " + text);
            }
            text.append((char) next);
        }
        return text.toString().strip();
    }

    private static byte[] ascii(String text) {
        return text.getBytes(US_ASCII);
    }
}
