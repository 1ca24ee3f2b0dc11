//! The page about the facility, and an event's days.

texts! {
    step_facility: "2/5 施設", "2/5 お店（みせ）など", "Step 2 of 5: the place";
    facility_title: "施設について入力してください", "お店などの ことを 書いてください", "Tell us about the place";
    facility_already: "このメールアドレスでは、次の施設が登録されています。同じ施設をもう一度登録する必要はありません。", "この メールアドレスで もう 登録した ものが あります。", "These places are registered with your e-mail address. There is no need to register one of them again.";
    facility_name: "施設の名前", "お店などの 名前", "Name of the place";
    facility_name_hint: "来た人に表示されます。50文字まで。例: カフェこもれび 駅前店", "来た 人に 見えます。50文字まで。例: カフェこもれび", "Shown to visitors, up to 50 characters. For example: Cafe Komorebi Ekimae";
    facility_kana: "施設の名前（カタカナ）", "名前（カタカナ）", "Name in katakana or letters";
    facility_kana_hint: "ひらがなで入力しても、カタカナになおします。例: カフェコモレビ エキマエテン", "ひらがなでも いいです。例: カフェコモレビ", "Hiragana become katakana; Latin letters are fine. For example: Kafe Komorebi";
    facility_kind: "施設の種類", "しゅるい", "Kind of place";
    facility_kind_hint: "近いものを一つ選んでください", "1つ えらんでください", "Choose the closest one";
    kind_shop: "店舗", "店（みせ）", "Shop";
    kind_restaurant: "飲食店", "食べる（たべる）店・飲む（のむ）店", "Restaurant, cafe or bar";
    kind_hall: "ホール・劇場", "ホール・劇場（げきじょう）", "Hall or theatre";
    kind_event: "イベント（期間のあるもの）", "イベント", "Event with a first and a last day";
    kind_office: "事務所・公共施設", "会社（かいしゃ）・市役所（しやくしょ）など", "Office or public facility";
    kind_other: "その他", "ほかの もの", "Other";
    facility_postcode: "郵便番号", "郵便番号（ゆうびんばんごう）", "Postcode";
    facility_postcode_hint: "例: 231-0001。全角でも、ハイフンがなくてもかまいません", "例: 231-0001", "For example: 231-0001, with or without the hyphen";
    facility_look_up: "郵便番号から住所を入れる", "住所（じゅうしょ）を 入れる", "Fill in the address";
    facility_address: "住所", "住所（じゅうしょ）", "Address";
    facility_address_hint: "都道府県から、番地・建物名まで。例: 神奈川県横浜市中区新港1-2-3 みなとビル", "例: 神奈川県横浜市中区新港1-2-3", "In Japanese, from the prefecture to the building. For example: 神奈川県横浜市中区新港1-2-3";
    facility_phone: "電話番号", "電話番号（でんわばんごう）", "Phone number";
    facility_phone_hint: "日中に連絡できる番号。公開しません。例: 045-123-4567", "例: 045-123-4567", "Where we reach you by day; not published. For example: 045-123-4567";
    next_button: "次へ", "つぎへ", "Continue";

    error_name_missing: "施設の名前を入力してください", "名前を 書いてください", "Enter the name of the place";
    error_name_long: "名前は50文字までにしてください", "名前は 50文字までです", "A name has at most 50 characters";
    error_name_address: "名前にURL（Webアドレス）は入れられません", "名前に URLは 書けません", "A name can't contain a web address";
    error_name_hidden: "名前に、目に見えない文字や文字の向きを変える記号が入っています。入力し直してください", "使えない 文字（もじ）が あります。書きなおしてください", "The name contains invisible characters or marks that change the writing direction. Type it anew";
    error_kana_missing: "施設の名前をカタカナで入力してください", "名前を カタカナで 書いてください", "Enter the name in katakana or letters";
    error_kana_form: "カタカナ・英数字で入力してください（漢字は使えません）", "カタカナで 書いてください", "Use katakana, letters and digits";
    error_kind: "施設の種類を一つ選んでください", "しゅるいを 1つ えらんでください", "Choose the kind of place";
    error_postcode_missing: "郵便番号を入力してください", "郵便番号を 書いてください", "Enter the postcode";
    error_postcode_form: "郵便番号は7桁の数字で入力してください", "郵便番号は 数字（すうじ）7つです", "A postcode has 7 digits";
    error_postcode_unknown: "この郵便番号は見つかりません。番号を確かめるか、住所を直接入力して次へ進んでください", "この 郵便番号は ありません。住所を 書いて、つぎへ すすんでください", "This postcode isn't known. Check it, or type the address yourself and continue";
    error_address_missing: "住所を入力してください", "住所を 書いてください", "Enter the address";
    error_address_long: "住所は120文字までにしてください", "住所は 120文字までです", "An address has at most 120 characters";
    error_address_form: "住所に使えない文字やURLが入っています。入力し直してください", "住所に 使えない 文字が あります", "The address contains characters that can't be used, or a web address";
    error_phone_missing: "電話番号を入力してください", "電話番号を 書いてください", "Enter the phone number";
    error_phone_form: "電話番号は市外局番から、10桁か11桁の数字で入力してください", "電話番号は 0から はじまる 数字 10か 11です", "Enter a Japanese phone number of 10 or 11 digits, with its area code";
    looked_up: "住所を入れました。番地・建物名を書き足してください。", "住所を 入れました。つづきを 書いてください。", "The address is filled in. Please add house number and building.";

    days_title: "イベントの期間を入力してください", "イベントは いつですか", "When is the event?";
    days_text: "コードは、最後の日の24時間後まで使えます。", "コードは、さいごの 日の つぎの 日まで 使えます。", "Its codes work until 24 hours after the last day.";
    days_first: "最初の日", "さいしょの 日", "First day";
    days_last: "最後の日", "さいごの 日", "Last day";
    days_hint: "例: 2026-12-01", "例: 2026-12-01", "For example: 2026-12-01";
    error_day_missing: "日付を入力してください", "日を 書いてください", "Enter a date";
    error_day_form: "日付は 2026-12-01 のように入力してください", "日は 2026-12-01 のように 書いてください", "Enter a date such as 2026-12-01";
    error_day_order: "最後の日は、最初の日と同じかそれより後にしてください", "さいごの 日は、さいしょの 日より あとです", "The last day can't be before the first";
    error_day_past: "最後の日がすでに過ぎています", "さいごの 日は もう おわりました", "The last day is over already";
}
