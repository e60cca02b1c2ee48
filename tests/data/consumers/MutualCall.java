import java.io.InputStream;
import java.net.URL;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyStore;
import java.util.Properties;
import javax.net.ssl.HttpsURLConnection;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;

/** Calls a URL with the stores that a properties file names, through the JVM's own SSLContext. */
public class MutualCall {
    private static Properties settings;

    public static void main(String[] arguments) throws Exception {
        settings = new Properties();
        try (var reader = Files.newBufferedReader(Path.of(arguments[0]), StandardCharsets.UTF_8)) {
            settings.load(reader);
        }
        KeyManagerFactory keys = KeyManagerFactory.getInstance(KeyManagerFactory.getDefaultAlgorithm());
        String storePassword = settings.getProperty("javax.net.ssl.keyStorePassword");
        String keyPassword = settings.getProperty("mtls.keyPassword", storePassword);
        keys.init(load("keyStore"), keyPassword.toCharArray());
        TrustManagerFactory trust = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
        trust.init(load("trustStore"));
        SSLContext context = SSLContext.getInstance("TLS");
        context.init(keys.getKeyManagers(), trust.getTrustManagers(), null);
        HttpsURLConnection call = (HttpsURLConnection) new URL(arguments[1]).openConnection();
        call.setSSLSocketFactory(context.getSocketFactory());
        try (InputStream body = call.getInputStream()) {
            System.out.print(call.getResponseCode() + " " + new String(body.readAllBytes(), StandardCharsets.UTF_8));
        }
    }

    private static KeyStore load(String which) throws Exception {
        String prefix = "javax.net.ssl." + which;
        KeyStore store = KeyStore.getInstance(settings.getProperty(prefix + "Type"));
        try (InputStream file = Files.newInputStream(Path.of(settings.getProperty(prefix)))) {
            store.load(file, settings.getProperty(prefix + "Password").toCharArray());
        }
        return store;
    }
}
