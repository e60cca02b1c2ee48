// Copyright (c) 2026, the mutual.tls authors
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

import java.io.FileInputStream;
import java.io.InputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyStore;
import java.security.cert.Certificate;
import java.util.ArrayList;
import java.util.Base64;
import java.util.Collections;
import java.util.List;

/**
 * Tells what Java finds in stores. Each line of the file named in the argument, in UTF-8, has four fields between
 * tabs: type, path, passphrase, key passphrase. Answers in lines of: number of the line, then "error" and a message,
 * or alias, "key" or "trusted", the key and the certificates in base 64.
 */
public class ListStores {
    public static void main(String[] arguments) throws Exception {
        PrintStream out = new PrintStream(System.out, true, StandardCharsets.UTF_8);
        int number = 0;
        for (String line : Files.readAllLines(Path.of(arguments[0]), StandardCharsets.UTF_8)) {
            String[] fields = line.split("\t", -1);
            try {
                for (String answer : list(fields)) {
                    out.println(number + "\t" + answer);
                }
            } catch (Exception error) {
                out.println(number + "\terror\t" + error);
            }
            number++;
        }
    }

    private static List<String> list(String[] fields) throws Exception {
        KeyStore store = KeyStore.getInstance(fields[0]);
        try (InputStream input = new FileInputStream(fields[1])) {
            store.load(input, fields[2].toCharArray());
        }
        List<String> answers = new ArrayList<>();
        for (String alias : Collections.list(store.aliases())) {
            StringBuilder answer = new StringBuilder(alias);
            if (store.isKeyEntry(alias)) {
                answer.append("\tkey\t").append(encode(store.getKey(alias, fields[3].toCharArray()).getEncoded()));
                for (Certificate certificate : store.getCertificateChain(alias)) {
                    answer.append("\t").append(encode(certificate.getEncoded()));
                }
            } else {
                answer.append("\ttrusted\t\t").append(encode(store.getCertificate(alias).getEncoded()));
            }
            answers.add(answer.toString());
        }
        return answers;
    }

    private static String encode(byte[] data) {
        return Base64.getEncoder().encodeToString(data);
    }
}
