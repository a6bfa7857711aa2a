import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import org.apache.kafka.connect.data.Schema;
import org.apache.kafka.connect.data.SchemaAndValue;
import org.apache.kafka.connect.data.SchemaBuilder;
import org.apache.kafka.connect.data.Struct;
import org.apache.kafka.connect.json.JsonConverter;
import org.apache.kafka.connect.storage.Converter;
import org.apache.kafka.connect.storage.StringConverter;

/**
 * What a sink connector would be given. A line of input: the format, and a record's value in base64. A line of output: the fields
 * of the struct by their names, each in base64 with the entries of maps in between; or the text.
 */
public class Converters {
    private static final List<String> FIELDS = List.of(
        "deviceId", "offset", "contentType", "enqueuedTime", "sequenceNumber", "content", "systemProperties", "properties");

    public static void main(String[] arguments) throws Exception {
        Converter text = new StringConverter();
        text.configure(Map.of(), false);
        JsonConverter plain = new JsonConverter();
        plain.configure(Map.of("schemas.enable", "false"), false);
        JsonConverter enveloped = new JsonConverter();
        enveloped.configure(Map.of("schemas.enable", "true"), false);
        Schema map = SchemaBuilder.map(Schema.STRING_SCHEMA, Schema.STRING_SCHEMA).build();
        Schema schema = SchemaBuilder.struct().name("iothub.kafka.connect").version(1)
            .field("deviceId", Schema.STRING_SCHEMA).field("offset", Schema.STRING_SCHEMA)
            .field("contentType", Schema.OPTIONAL_STRING_SCHEMA).field("enqueuedTime", Schema.STRING_SCHEMA)
            .field("sequenceNumber", Schema.INT64_SCHEMA).field("content", Schema.STRING_SCHEMA)
            .field("systemProperties", map).field("properties", map).build();
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.US_ASCII));
        PrintStream out = new PrintStream(System.out, false, StandardCharsets.US_ASCII);
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            String[] parts = line.split(" ");
            byte[] value = Base64.getDecoder().decode(parts[1]);
            switch (parts[0]) {
                case "connect-string" -> out.println(encoded(text.toConnectData("t", value).value()));
                case "connect-json" -> {
                    Map<?, ?> fields = (Map<?, ?>) plain.toConnectData("t", value).value();
                    StringBuilder shown = new StringBuilder();
                    for (String name : FIELDS) {
                        shown.append(encoded(fields.get(name))).append(' ');
                    }
                    out.println(fields.size() == FIELDS.size() ? shown : "other fields: " + fields.keySet());
                }
                default -> {
                    SchemaAndValue found = enveloped.toConnectData("t", value);
                    Struct struct = (Struct) found.value();
                    StringBuilder shown = new StringBuilder();
                    for (String name : FIELDS) {
                        shown.append(encoded(struct.get(name))).append(' ');
                    }
                    out.println(schema.equals(found.schema()) ? shown : "another schema: " + found.schema());
                }
            }
        }
        out.flush();
    }

    private static String encoded(Object value) {
        if (value == null) {
            return "null";
        }
        if (value instanceof Map<?, ?> map) {
            StringBuilder entries = new StringBuilder("{");
            map.forEach((key, item) -> entries.append(encoded(key)).append(':').append(encoded(item)).append(','));
            return entries.append('}').toString();
        }
        return "=" + Base64.getEncoder().encodeToString(value.toString().getBytes(StandardCharsets.UTF_8));
    }
}
