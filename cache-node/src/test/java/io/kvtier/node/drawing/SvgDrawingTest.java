package io.kvtier.node.drawing;

import static org.assertj.core.api.Assertions.assertThat;

import io.kvtier.node.drawing.SvgDrawing.Anchor;
import io.kvtier.node.drawing.SvgDrawing.Point;
import java.io.StringReader;
import java.util.List;
import javax.xml.parsers.DocumentBuilderFactory;
import org.junit.jupiter.api.Test;
import org.w3c.dom.Document;
import org.xml.sax.InputSource;

class SvgDrawingTest {
    @Test
    void finish_marksInWords_areEscapedInSoundXml() throws Exception {
        SvgDrawing drawing = new SvgDrawing(300, 200, "a < b & \"c\"");
        drawing.box(1, 2, 3.5, 4, "#123456", "<hint>");
        drawing.line(0, 0, 10, 10);
        drawing.path(List.of(new Point(1, 2), new Point(3, 4.5)), "#abcdef", "<path>");
        drawing.words(5, 6, Anchor.MIDDLE, "1 & 2");
        Document picture =
                DocumentBuilderFactory.newDefaultInstance()
                        .newDocumentBuilder()
                        .parse(new InputSource(new StringReader(drawing.finish())));
        assertThat(picture.getDocumentElement().getAttribute("viewBox")).isEqualTo("0 0 300 200");
        assertThat(picture.getElementsByTagName("title").item(0).getTextContent())
                .isEqualTo("a < b & \"c\"");
        assertThat(picture.getElementsByTagName("text").item(0).getTextContent())
                .isEqualTo("1 & 2");
        assertThat(picture.getElementsByTagName("rect").getLength()).isEqualTo(1);
        assertThat(
                        picture.getElementsByTagName("polyline")
                                .item(0)
                                .getAttributes()
                                .getNamedItem("points")
                                .getTextContent())
                .isEqualTo("1.00,2.00 3.00,4.50");
    }
}
