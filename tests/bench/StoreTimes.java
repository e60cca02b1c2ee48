// Copyright (c) 2026, the mutual.tls authors
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.Key;
import java.security.KeyStore;
import java.security.cert.Certificate;

/**
 * Times reading and writing of a store in a JVM that runs already. Arguments: type, path of a store of this type,
 * passphrase, alias of its key, repetitions. Prints lines of "read" or "write" and seconds; writes the store anew into
 * the same path. As many repetitions again go before, so that the JVM has compiled what it runs.
 */
public class StoreTimes {
    public static void main(String[] arguments) throws Exception {
        String type = arguments[0];
        Path path = Path.of(arguments[1]);
        char[] passphrase = arguments[2].toCharArray();
        String alias = arguments[3];
        int repetitions = Integer.parseInt(arguments[4]);
        byte[] data = Files.readAllBytes(path);
        byte[] written = data;
        for (int count = -repetitions; count < repetitions; count++) {
            long begin = System.nanoTime();
            KeyStore store = KeyStore.getInstance(type);
            store.load(new ByteArrayInputStream(data), passphrase);
            Key key = store.getKey(alias, passphrase);
            Certificate[] chain = store.getCertificateChain(alias);
            long read = System.nanoTime();
            KeyStore anew = KeyStore.getInstance(type);
            anew.load(null, null);
            anew.setKeyEntry(alias, key, passphrase, chain);
            ByteArrayOutputStream output = new ByteArrayOutputStream();
            anew.store(output, passphrase);
            long end = System.nanoTime();
            written = output.toByteArray();
            if (count >= 0) {
                System.out.println("read " + (read - begin) / 1e9);
                System.out.println("write " + (end - read) / 1e9);
            }
        }
        Files.write(path, written);
    }
}
