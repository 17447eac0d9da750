//! How far a run is, by what its model printed.
//!
//! Diffusion models print the bars of tqdm, <https://github.com/tqdm/tqdm#usage>:
//! ` 45%|████▌     | 9/20 [00:01<00:01,  7.4it/s]`; some print `step 12/28`. Nothing of it is promised.

/// How much of the logs is read, from their end, in bytes: each line repeats what came before.
const READ_BYTES: usize = 4096;

/// The last mark of progress in the logs, 0 to 100.
pub fn percent(logs: &str) -> Option<u8> {
    last_lines(logs).rsplit(['\n', '\r']).find_map(percent_of_line)
}

/// The end of the logs, without a line whose beginning is cut off.
fn last_lines(logs: &str) -> &str {
    let from = logs.len().saturating_sub(READ_BYTES);
    if from == 0 {
        return logs;
    }
    // A character has at most four bytes: one of these places is between two.
    let tail = (from..logs.len()).take(4).find_map(|at| logs.get(at..)).unwrap_or_default();
    tail.split_once(['\n', '\r']).map_or("", |(_, whole)| whole)
}

fn percent_of_line(line: &str) -> Option<u8> {
    line.match_indices('%').find_map(|(at, _)| before_sign(line, at)).or_else(|| counted_steps(line))
}

/// The number before a percent sign: where a bar follows it, where it begins the line, or after a colon.
/// Other percentages tell of something else.
fn before_sign(line: &str, at: usize) -> Option<u8> {
    let before = line.get(..at)?;
    let label = before.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.');
    let bar = line.get(at..)?.starts_with("%|");
    let label = label.trim();
    if !(bar || label.is_empty() || label.ends_with(':')) {
        return None;
    }
    let number = before.rsplit(|c: char| !(c.is_ascii_digit() || c == '.')).next()?;
    number.split('.').next()?.parse().ok().filter(|percent| *percent <= 100)
}

/// `step 12/28`, `Steps: 12 of 28`.
fn counted_steps(line: &str) -> Option<u8> {
    let line = line.to_ascii_lowercase();
    let (_, after) = line.split_once("step")?;
    let after = after.trim_start_matches('s').trim_start_matches([':', ' ']);
    let (done, rest) = leading_number(after)?;
    let rest = rest.trim_start();
    let rest = rest.strip_prefix('/').or_else(|| rest.strip_prefix("of "))?;
    let (all, _) = leading_number(rest.trim_start())?;
    let share = done.checked_mul(100)?.checked_div(all)?;
    u8::try_from(share).ok().filter(|percent| *percent <= 100)
}

fn leading_number(text: &str) -> Option<(u32, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, rest) = text.split_at_checked(end)?;
    Some((digits.parse().ok()?, rest))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn marks_of_progress_are_read() {
        let table = [
            ("", None),
            ("Using seed: 3397532117\n", None),
            ("Using seed: 1\n  0%|          | 0/28 [00:00<?, ?it/s]\n", Some(0)),
            (" 45%|████▌     | 9/20 [00:01<00:01,  7.4it/s]", Some(45)),
            ("  0%|  | 0/4\r 25%|██ | 1/4\r 50%|█████ | 2/4", Some(50)),
            ("100%|██████████| 28/28 [00:02<00:00, 10.1it/s]\nTotal safe images: 1 out of 1\n", Some(100)),
            ("denoising:  75%|███████▌  | 3/4", Some(75)),
            ("99.9%", Some(99)),
            ("Progress: 12%", Some(12)),
            ("step 12/28", Some(42)),
            ("Step: 14 of 28, loss 0.1", Some(50)),
            ("[INFO] Steps 1/3", Some(33)),
            ("101%|███", None),
            ("-5% off", None),
            ("a prompt with 50% grey", None),
            ("step 5/0", None),
            ("step 29/28", None),
            ("step 99999999999/1", None),
            ("stepping out", None),
            ("%|%|%", None),
        ];
        for (logs, expected) in table {
            assert_eq!(percent(logs), expected, "{logs:?}");
        }
    }

    #[test]
    fn a_line_whose_beginning_is_cut_off_is_not_read() {
        let bar = format!("145%|{}", "█".repeat(READ_BYTES / 3 - 1));
        assert!(bar.len() > READ_BYTES);
        assert_eq!(percent(&bar), None);
        assert_eq!(percent(&format!("{bar}\n 7%|")), Some(7));
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(500) })]

        #[test]
        fn whatever_is_printed_is_a_percentage_or_nothing(logs in any::<String>(), marks in "[0-9%|/ :.steps\n█]{0,80}") {
            for text in [logs.clone(), marks.clone(), format!("{logs}{marks}")] {
                prop_assert!(percent(&text).is_none_or(|percent| percent <= 100));
            }
        }

        #[test]
        fn the_last_bar_counts_whatever_came_before(before in any::<String>(), length in 0_usize..3, done in 0_u8..=100) {
            let before = before.repeat(length * 200);
            let logs = format!("{before}\n{done:>3}%|███   | 1/2 [00:00<?, ?it/s]\n");
            prop_assert_eq!(percent(&logs), Some(done));
        }
    }
}
