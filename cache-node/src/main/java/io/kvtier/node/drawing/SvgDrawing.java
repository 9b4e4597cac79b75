package io.kvtier.node.drawing;

import java.io.StringWriter;
import java.util.List;
import java.util.Locale;
import javax.xml.stream.XMLOutputFactory;
import javax.xml.stream.XMLStreamException;
import javax.xml.stream.XMLStreamWriter;

/**
 * An SVG picture that is drawn from above to below: boxes, lines, words. Its colours suit light and
 * dark pages alike; it has no background of its own.
 */
public final class SvgDrawing {
    private static final String STYLE =
            "text{font:12px system-ui,sans-serif;fill:#555}.title{font-size:14px;font-weight:600}"
                    + "line{stroke:#888;stroke-opacity:.4}"
                    + "@media(prefers-color-scheme:dark){text{fill:#bbb}}";

    private final StringWriter text = new StringWriter();
    private final XMLStreamWriter out;

    /** An empty picture, described by {@code title} for those who cannot see it. */
    public SvgDrawing(int width, int height, String title) {
        try {
            out = XMLOutputFactory.newFactory().createXMLStreamWriter(text);
            out.writeStartElement("svg");
            out.writeDefaultNamespace("http://www.w3.org/2000/svg");
            out.writeAttribute("viewBox", "0 0 " + width + " " + height);
            out.writeAttribute("width", String.valueOf(width));
            out.writeAttribute("height", String.valueOf(height));
            out.writeAttribute("role", "img");
            element("title", title);
            element("style", STYLE);
        } catch (XMLStreamException e) {
            throw new AssertionError("a string takes all that is written", e);
        }
    }

    /** Where words stand against their point. */
    public enum Anchor {
        START,
        MIDDLE,
        END
    }

    /** A filled box; {@code hint} shows under a pointer. */
    public void box(double x, double y, double width, double height, String colour, String hint) {
        write(
                () -> {
                    out.writeStartElement("rect");
                    number("x", x);
                    number("y", y);
                    number("width", width);
                    number("height", height);
                    out.writeAttribute("fill", colour);
                    element("title", hint);
                    out.writeEndElement();
                });
    }

    /** A thin line. */
    public void line(double x1, double y1, double x2, double y2) {
        write(
                () -> {
                    out.writeEmptyElement("line");
                    number("x1", x1);
                    number("y1", y1);
                    number("x2", x2);
                    number("y2", y2);
                });
    }

    /** A point of a {@link #path}. */
    public record Point(double x, double y) {}

    /** A line of a colour through points. */
    public void path(List<Point> points, String colour, String hint) {
        StringBuilder list = new StringBuilder();
        for (Point point : points) {
            list.append(String.format(Locale.ROOT, "%.2f,%.2f ", point.x, point.y));
        }
        write(
                () -> {
                    out.writeStartElement("polyline");
                    out.writeAttribute("points", list.toString().strip());
                    out.writeAttribute("fill", "none");
                    out.writeAttribute("stroke", colour);
                    out.writeAttribute("stroke-width", "2");
                    element("title", hint);
                    out.writeEndElement();
                });
    }

    /** Words on one line. */
    public void words(double x, double y, Anchor anchor, String words) {
        words(x, y, anchor, words, "");
    }

    /** The title of a chart. */
    public void title(double x, double y, String words) {
        words(x, y, Anchor.START, words, "title");
    }

    /** The picture; nothing may be drawn afterwards. */
    public String finish() {
        write(
                () -> {
                    out.writeEndElement();
                    out.writeEndDocument();
                    out.close();
                });
        return text.append('\n').toString();
    }

    private void words(double x, double y, Anchor anchor, String words, String style) {
        write(
                () -> {
                    out.writeStartElement("text");
                    number("x", x);
                    number("y", y);
                    out.writeAttribute("text-anchor", anchor.name().toLowerCase(Locale.ROOT));
                    if (!style.isEmpty()) {
                        out.writeAttribute("class", style);
                    }
                    out.writeCharacters(words);
                    out.writeEndElement();
                });
    }

    private interface Step {
        void write() throws XMLStreamException;
    }

    private static void write(Step step) {
        try {
            step.write();
        } catch (XMLStreamException e) {
            throw new AssertionError("a string takes all that is written", e);
        }
    }

    private void element(String name, String content) throws XMLStreamException {
        out.writeStartElement(name);
        out.writeCharacters(content);
        out.writeEndElement();
    }

    private void number(String name, double value) throws XMLStreamException {
        out.writeAttribute(name, String.format(Locale.ROOT, "%.2f", value));
    }
}
