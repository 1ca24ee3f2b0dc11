//! Which town a postcode belongs to, all over Japan: Japan Post's public data
//! (`assets/postcodes.SOURCE` says from when), packed into the binary.

use std::{io::Read, sync::LazyLock};

/// zlib of lines: `>prefecture TAB city` begins a city, `difference SPACE town` is the next code.
const PACKED: &[u8] = include_bytes!("../assets/postcodes.txt.z");

static ALL: LazyLock<Postcodes> = LazyLock::new(|| {
    let mut text = String::new();
    // What it is was packed by us, and a test reads it.
    if flate2::read::ZlibDecoder::new(PACKED).read_to_string(&mut text).is_err() {
        text.clear();
    }
    Postcodes::read(&text)
});

/// Where a postcode is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Town {
    /// 神奈川県.
    pub prefecture: &'static str,
    /// 横浜市中区; empty where a code is shared by several.
    pub city: &'static str,
    /// 新港; empty where a code is shared by several.
    pub town: &'static str,
}

impl Town {
    /// As an address begins.
    pub fn address(&self) -> String {
        format!("{}{}{}", self.prefecture, self.city, self.town)
    }
}

struct Postcodes {
    codes: Vec<u32>,
    towns: Vec<Town>,
}

impl Postcodes {
    fn read(text: &str) -> Self {
        // Once for the life of the process.
        let text: &'static str = Box::leak(text.to_owned().into_boxed_str());
        let (mut codes, mut towns) = (Vec::new(), Vec::new());
        let (mut prefecture, mut city, mut code) = ("", "", 0);
        for line in text.lines() {
            if let Some((name, rest)) = line.strip_prefix('>').and_then(|l| l.split_once('\t')) {
                (prefecture, city) = (name, rest);
            } else if let Some((step, town)) = line.split_once(' ') {
                code += step.parse::<u32>().unwrap_or_default();
                codes.push(code);
                towns.push(Town { prefecture, city, town });
            }
        }
        Self { codes, towns }
    }
}

/// Finds a postcode of seven digits.
pub fn find(digits: &str) -> Option<Town> {
    let code: u32 = digits.parse().ok().filter(|_| digits.len() == 7)?;
    let at = ALL.codes.binary_search(&code).ok()?;
    ALL.towns.get(at).copied()
}

/// The prefecture that an address begins with.
pub fn prefecture_of(address: &str) -> Option<&'static str> {
    PREFECTURES.into_iter().find(|name| address.starts_with(name))
}

#[rustfmt::skip]
const PREFECTURES: [&str; 47] = [
    "北海道", "青森県", "岩手県", "宮城県", "秋田県", "山形県", "福島県", "茨城県", "栃木県", "群馬県",
    "埼玉県", "千葉県", "東京都", "神奈川県", "新潟県", "富山県", "石川県", "福井県", "山梨県", "長野県",
    "岐阜県", "静岡県", "愛知県", "三重県", "滋賀県", "京都府", "大阪府", "兵庫県", "奈良県", "和歌山県",
    "鳥取県", "島根県", "岡山県", "広島県", "山口県", "徳島県", "香川県", "愛媛県", "高知県", "福岡県",
    "佐賀県", "長崎県", "熊本県", "大分県", "宮崎県", "鹿児島県", "沖縄県",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn towns_all_over_japan() {
        assert!(ALL.codes.len() > 120_000, "{}", ALL.codes.len());
        assert!(ALL.codes.is_sorted_by(|a, b| a < b));
        assert!(ALL.towns.iter().all(|town| PREFECTURES.contains(&town.prefecture)));
        let address = |digits| find(digits).map(|town| town.address());
        assert_eq!(address("2310001").as_deref(), Some("神奈川県横浜市中区新港"));
        assert_eq!(address("0600000").as_deref(), Some("北海道札幌市中央区"));
        assert_eq!(address("0640941").as_deref(), Some("北海道札幌市中央区旭ケ丘"));
        assert_eq!(address("6028024").as_deref(), Some("京都府京都市上京区大門町"));
        for digits in ["9999999", "0000000", "231000", "23100010", "231-001", ""] {
            assert_eq!(find(digits), None, "{digits}");
        }
    }
}
