import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.MappingIterator;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.introspect.Annotated;
import com.fasterxml.jackson.databind.introspect.JacksonAnnotationIntrospector;
import com.fasterxml.jackson.dataformat.yaml.YAMLFactory;
import io.strimzi.api.kafka.model.kafka.Kafka;
import io.strimzi.api.kafka.model.nodepool.KafkaNodePool;
import io.strimzi.api.kafka.model.topic.KafkaTopic;
import io.strimzi.api.kafka.model.user.KafkaUser;
import java.io.File;
import java.util.Map;

/** Reads resources of Strimzi with the operator's own classes, which take no field, type or word that they do not know. */
public class StrimziCheck {
    private static final Map<String, Class<?>> KINDS =
        Map.of("Kafka", Kafka.class, "KafkaNodePool", KafkaNodePool.class, "KafkaTopic", KafkaTopic.class, "KafkaUser", KafkaUser.class);

    public static void main(String[] files) throws Exception {
        ObjectMapper mapper = new ObjectMapper(new YAMLFactory());
        mapper.enable(DeserializationFeature.FAIL_ON_UNKNOWN_PROPERTIES);
        // The classes keep what they do not know, for an operator that is older than a resource: here it is a mistake.
        mapper.setAnnotationIntrospector(new JacksonAnnotationIntrospector() {
            @Override
            public Boolean hasAnySetter(Annotated annotated) {
                return Boolean.FALSE;
            }
        });
        boolean isWrong = false;
        for (String file : files) {
            try (MappingIterator<JsonNode> documents = mapper.readerFor(JsonNode.class).readValues(new File(file))) {
                while (documents.hasNext()) {
                    JsonNode document = documents.next();
                    String kind = document.path("kind").asText();
                    String name = kind + " " + document.path("metadata").path("name").asText();
                    Class<?> type = KINDS.get(kind);
                    if (type == null) {
                        isWrong = true;
                        System.out.println("wrong: " + name + ": nothing here knows it");
                        continue;
                    }
                    try {
                        mapper.treeToValue(document, type);
                        System.out.println("right: " + name);
                    } catch (Exception mistake) {
                        isWrong = true;
                        System.out.println("wrong: " + name + ": " + mistake.getMessage().lines().findFirst().orElse(""));
                    }
                }
            }
        }
        System.exit(isWrong ? 1 : 0);
    }
}
