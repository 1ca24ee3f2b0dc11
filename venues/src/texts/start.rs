//! The start page.

texts! {
    start_title: "施設を登録する", "お店（みせ）などを 登録（とうろく）する", "Register a place";
    start_what: "お店・ホール・イベントなどを登録すると、フロアや部屋ごとに場所のコードができます。来た人がコードをLINEで送ると、いつ・どこにいたかだけが記録されます。感染した可能性がある人が同じ時間にいたと分かったとき、県からお知らせが届きます。", "お店などを 登録すると、場所（ばしょ）の コードが できます。来た 人が コードを LINEで 送（おく）ると、「いつ・どこ」だけを 記録（きろく）します。あとで 病気（びょうき）の 人が いたと わかったとき、県（けん）が LINEで 知らせます。", "Register your shop, hall or event, and each of its floors and rooms has a place code. Visitors send it with LINE; only where and when is recorded. If somebody infectious was there at the same time, the prefecture tells them.";
    start_who_title: "登録できる方", "登録できる 人", "Who can register";
    start_who: "県内の店舗・施設の運営者、イベントの主催者", "県の 中（なか）の お店・施設（しせつ）・イベントの 人", "Operators of shops and facilities, and organisers of events, in the prefecture";
    start_need_title: "用意するもの", "いる もの", "What you need";
    start_need_mail: "メールアドレス（登録用のリンクを送ります）", "メールアドレス（リンクを 送ります）", "An e-mail address (we send you a link)";
    start_need_address: "施設の名前・住所・電話番号", "名前・住所（じゅうしょ）・電話番号（でんわばんごう）", "Name, address and phone number of the place";
    start_need_rooms: "フロアや部屋の名前（コードは、その一つひとつに作られます）", "階（かい）や 部屋（へや）の 名前", "Names of floors or rooms (each gets its own code)";
    start_time: "かかる時間は約3分です。途中で閉じても、入力した内容は保存されます。", "3分くらいです。とちゅうで やめても だいじょうぶです。", "It takes about 3 minutes. You can stop and go on later.";
    start_privacy_title: "個人情報の扱い", "個人情報（こじんじょうほう）について", "Privacy";
    start_privacy_1: "入力した内容は、登録の管理と、運営者への連絡だけに使います。", "書いた ものは、登録と 連絡（れんらく）だけに 使います。", "What you enter is used to manage the registration and to contact you, for nothing else.";
    start_privacy_2: "メールアドレスと電話番号は公開しません。", "メールアドレスと 電話番号は だれにも 見せません。", "E-mail address and phone number are not published.";
    start_privacy_3: "来た人の名前や連絡先は、運営者にも県の職員にも表示されません。", "来た 人の 名前は、だれにも 見えません。", "Neither you nor officials can see who visited.";
    start_privacy_4: "途中でやめた登録の内容は、28日ほどで消えます。", "とちゅうで やめた ものは、28日くらいで 消えます。", "A registration that is not finished is deleted after about 28 days.";
    start_button: "登録をはじめる", "登録を はじめる", "Start";
}
