//! Mails. `{n}` ends a line, `{link}` is the link, `{reference}` the reference number.

texts! {
    letter_register_subject: "【安心みえるLINE】施設の登録用リンク", "【安心みえるLINE】登録（とうろく）の リンク", "[Anshin LINE] Your link to register a place";
    letter_register_text: "施設の登録を申し込まれた方へ{n}{n}次のリンクを開いて、登録を続けてください。{n}{link}{n}{n}リンクは24時間、1回だけ使えます。{n}途中まで入力した内容があれば、続きから始まります。{n}{n}心当たりがない場合は、このメールを削除してください。何も登録されません。", "お店などを 登録する 人へ{n}{n}この リンクを 開いて、つづけてください。{n}{link}{n}{n}リンクは 24時間、1回だけ 使えます。{n}{n}知らない ときは、この メールを 消してください。", "You asked to register a place.{n}{n}Open this link to continue:{n}{link}{n}{n}It is good for 24 hours, and once.{n}If you had begun to enter something, you go on from there.{n}{n}If you did not ask for this, delete this mail: nothing is registered.";
    letter_registered_subject: "【安心みえるLINE】施設を登録しました（受付番号 {reference}）", "【安心みえるLINE】登録しました（番号 {reference}）", "[Anshin LINE] Your place is registered (reference {reference})";
    letter_registered_text: "施設の登録が終わりました。{n}{n}受付番号: {reference}{n}{n}場所のコードは、もう使えます。お問い合わせのときは、受付番号をお知らせください。{n}登録のページ: {link}", "登録が おわりました。{n}{n}番号（ばんごう）: {reference}{n}{n}場所（ばしょ）の コードは もう 使えます。わからない ときは、この 番号を 言ってください。{n}{link}", "Your place is registered.{n}{n}Reference number: {reference}{n}{n}Its place codes work already. Please name the reference number when you contact us.{n}{link}";
    letter_no_reply: "このメールアドレスには返信できません。", "この メールに 返事（へんじ）は できません。", "Please do not reply to this address.";
}
