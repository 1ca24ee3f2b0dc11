//! What the public pages share; their prose is in `templates/public`.

texts! {
    navigation: "このサイトのページ", "この サイトの ページ", "Pages of this site";
    nav_about: "このサービスについて", "この サービスについて", "About this service";
    nav_visitors: "利用される方へ", "使う 人へ", "For visitors";
    nav_operators: "お店・施設・イベントの方へ", "お店（みせ）・施設（しせつ）・イベントの 人へ", "For operators";
    nav_questions: "よくある質問", "よくある 質問（しつもん）", "Questions and answers";
    nav_contact: "お問い合わせ", "わからない とき", "Contact";
    feedback: "このページについてのご意見", "この ページに ついて 意見（いけん）を 送る", "Send feedback about this page";
    contact_nothing: "お問い合わせ先は準備中です。", "とい合わせ先（さき）は、今 準備（じゅんび）して います。", "Contact details will follow.";

    notice_label: "お知らせ", "お知らせ", "Notice";
    notice_preparing: "このサービスは準備中です。施設の登録はまだ受け付けていません。QRコードを読み取っても、来店は記録されません。", "この サービスは まだ 始（はじ）まって いません。登録（とうろく）は まだ できません。QRコードを 読んでも、記録（きろく）しません。", "This service has not started yet. Places can't be registered yet, and visits are not recorded.";
    notice_suspended: "このサービスは現在休止しています。施設の登録は受け付けていません。QRコードを読み取っても、来店は記録されません。", "この サービスは 今 休（やす）んで います。登録（とうろく）は できません。QRコードを 読んでも、記録（きろく）しません。", "This service is suspended. Places can't be registered at the moment, and visits are not recorded.";
    notice_ended: "このサービスは終了しました。施設の登録は受け付けていません。来店は記録されません。貼られているちらしは外してください。", "この サービスは 終（お）わりました。登録（とうろく）は できません。記録（きろく）も しません。はって ある 紙（かみ）を とってください。", "This service has ended. Places can't be registered, and visits are not recorded. Please take the flyers down.";
    notice_reason: "理由", "理由（りゆう）", "Reason";
    closed_title: "登録は受け付けていません", "今 登録（とうろく）は できません", "Registration is closed";
    closed_text: "サービスの状況は、このページの上のお知らせをご覧ください。ご不明な点は、お問い合わせ先にご連絡ください。", "この ページの 上（うえ）の お知らせを 見てください。わからない ときは、とい合わせて ください。", "Please read the notice at the top of this page. If you have questions, please contact us.";
}
