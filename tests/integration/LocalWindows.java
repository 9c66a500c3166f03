// Local windows by java.time, for a test: it tries one minute after the other.
//
// Reads lines with tabs between: `zone` and a name, or `case`, a name, two instants (microseconds since 1970), two times
// of day (minutes), a mask of weekdays (bit 0 is Monday), dates with commas between, and an instant or `-`.
//
// Writes for a zone: its name, the offset (seconds) at the beginning of 2020, and the changes of offset until the end of
// 2036, each as the second since 1970, a colon and the offset; `unknown` in place of all that for an unknown zone. For a
// case: the first permitted instant in [first, second), or `-`, and whether every instant from there to the last one
// given is permitted.

import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.time.LocalDate;
import java.time.LocalTime;
import java.time.ZoneId;
import java.time.ZonedDateTime;
import java.time.temporal.ChronoUnit;
import java.time.zone.ZoneOffsetTransition;
import java.util.Arrays;
import java.util.Set;
import java.util.function.Predicate;
import java.util.stream.Collectors;

class LocalWindows {
    static final Instant START = Instant.parse("2020-01-01T00:00:00Z"), END = Instant.parse("2037-01-01T00:00:00Z");

    public static void main(String[] arguments) {
        new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8)).lines()
            .collect(Collectors.toList()).parallelStream()
            .map(line -> line.split("\t", -1))
            .map(words -> words[0].equals("zone") ? changes(words[1]) : permitted(words))
            .forEachOrdered(System.out::println);
    }

    static ZoneId zone(String name) {
        return ZoneId.of(name, ZoneId.SHORT_IDS);
    }

    static String changes(String name) {
        if (!ZoneId.getAvailableZoneIds().contains(name) && !ZoneId.SHORT_IDS.containsKey(name)) {
            return name + "\tunknown";
        }
        var rules = zone(name).getRules();
        var line = new StringBuilder(name + "\t" + rules.getOffset(START).getTotalSeconds());
        ZoneOffsetTransition change = rules.nextTransition(START);
        while (change != null && change.getInstant().isBefore(END)) {
            line.append("\t" + change.toEpochSecond() + ":" + change.getOffsetAfter().getTotalSeconds());
            change = rules.nextTransition(change.getInstant());
        }
        return line.toString();
    }

    static Instant instant(String microseconds) {
        return Instant.EPOCH.plus(Long.parseLong(microseconds), ChronoUnit.MICROS);
    }

    static String permitted(String[] words) {
        ZoneId zone = zone(words[1]);
        int opens = Integer.parseInt(words[4]), closes = Integer.parseInt(words[5]), days = Integer.parseInt(words[6]);
        Set<LocalDate> holidays = words[7].isEmpty() ? Set.of()
            : Arrays.stream(words[7].split(",")).map(LocalDate::parse).collect(Collectors.toSet());
        Predicate<Instant> isPermitted = instant -> {
            ZonedDateTime local = instant.atZone(zone);
            LocalTime time = local.toLocalTime();
            boolean inHours = !time.isBefore(LocalTime.ofSecondOfDay(opens * 60))
                && (closes == 1440 || time.isBefore(LocalTime.ofSecondOfDay(closes * 60)));
            boolean onDay = (days & 1 << local.getDayOfWeek().getValue() - 1) != 0;
            return inHours && onDay && !holidays.contains(local.toLocalDate());
        };
        Instant first = first(instant(words[2]), instant(words[3]), isPermitted);
        boolean stays = first == null || first(first, instant(words[8]), isPermitted.negate()) == null;
        return (first == null ? "-" : ChronoUnit.MICROS.between(Instant.EPOCH, first)) + "\t" + stays;
    }

    // Offsets and their changes are whole minutes, so what is true of the first instant of a minute is true of all of it.
    static Instant first(Instant after, Instant before, Predicate<Instant> condition) {
        Instant instant = after;
        while (instant.isBefore(before)) {
            if (condition.test(instant)) {
                return instant;
            }
            instant = instant.truncatedTo(ChronoUnit.MINUTES).plus(1, ChronoUnit.MINUTES);
        }
        return null;
    }
}
