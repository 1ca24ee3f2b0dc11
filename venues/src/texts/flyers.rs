//! Flyers of what was registered.

texts! {
    flyers_title: "ちらしを印刷する", "ちらしを 印刷（いんさつ）する", "Print flyers";
    flyers_what: "QRコードのちらしです。印刷して、入口やテーブルなど、来た人の目に入る場所に貼ってください。ちらしはフロアや部屋ごとに違います。", "QRコードの ちらしです。印刷して、来た 人が 見える ところに はってください。階（かい）や 部屋（へや）ごとに ちがいます。", "These are flyers with the QR code. Print them and put them where visitors see them: at the entrance, on tables. Each floor and room has its own.";
    flyers_copies: "同じコードのちらしを何枚印刷して貼ってもかまいません。汚れたり色あせたりしたら、印刷し直してください。", "同じ コードの ちらしを 何枚（なんまい） はっても いいです。よごれたら、もう一度（いちど） 印刷してください。", "You may print and put up as many copies of one code as you like. Print it again when it is dirty or faded.";
    flyers_try: "貼ったら、ご自分のスマートフォンで一度試してください。", "はったら、自分の スマートフォンで ためしてください。", "Once one is up, try it with your own phone.";
    flyers_missing: "印刷できない文字があります。「〓」と印刷されます:", "印刷できない 字（じ）が あります。「〓」に なります:", "These characters can't be printed; 〓 stands for them:";
    flyers_all: "すべての場所をまとめて", "ぜんぶの 場所（ばしょ）", "All floors and rooms in one file";
    flyers_to_all: "すべての場所のちらしへ", "ぜんぶの 場所の ちらしへ", "Flyers of all floors and rooms";
    flyers_each: "1つの場所だけ", "1つの 場所だけ", "One floor or room only";
    flyers_format: "用紙", "紙（かみ）", "Paper";
    flyers_files: "ファイル", "ファイル", "File";
    flyers_view: "見る", "見る", "View";
    flyers_save: "保存する", "保存（ほぞん）する", "Save";
    flyers_a4: "A4のちらし", "A4の ちらし", "A4 flyer";
    flyers_a5: "A5のちらし", "A5の ちらし", "A5 flyer";
    flyers_b2: "B2のポスター", "B2の ポスター", "B2 poster";
    flyers_tent: "卓上に立てる三角柱（A4を折る）", "テーブルに 立てる 紙（A4を 折る）", "Table tent (A4, folded)";
    flyers_stickers: "シール（A4に同じもの8枚）", "シール（A4に 同じもの 8枚）", "Stickers (A4, eight of the same)";
    flyers_staff_card: "スタッフ用の案内（A5）", "はたらく 人の ための 紙（A5）", "Card for your staff (A5, in Japanese)";
    flyers_png: "コンビニで印刷する画像（A4の紙）", "コンビニで 印刷する 絵（A4の 紙）", "Picture for a convenience store's printer (A4 paper)";
    flyers_photo_2l: "コンビニで印刷する画像（2L判の写真用紙）", "コンビニで 印刷する 絵（2Lの 写真の 紙）", "Picture for a convenience store's printer (2L photo paper)";
    flyers_photo_l: "コンビニで印刷する画像（L判の写真用紙）", "コンビニで 印刷する 絵（Lの 写真の 紙）", "Picture for a convenience store's printer (L photo paper)";
    busy_title: "いま、ちらしを作れません", "今（いま） ちらしを 作れません", "Flyers can't be made right now";
    busy_text: "込み合っているか、登録の内容がまだ届いていません。少し待ってから、もう一度お試しください。何度試しても作れないときは、お問い合わせ先にご連絡ください。", "使う 人が 多いです。少し 待って、もう一度 してください。何度も できない ときは、とい合わせて ください。", "Many are asking for them, or your registration is still on its way. Please wait a little and try again. If that does not help, please contact us.";
}
