//! The mail address, the link, and what may be wrong with it.

texts! {
    step_mail: "1/5 メールアドレス", "1/5 メール", "Step 1 of 5: e-mail";
    register_title: "メールアドレスを入力してください", "メールアドレスを 書いてください", "Enter your e-mail address";
    register_text: "登録用のリンクをメールで送ります。途中まで入力した登録も、このリンクから続けられます。", "リンクを メールで 送ります。とちゅうの ものも、リンクから つづけられます。", "We send you a link to register. It also continues what you had begun.";
    register_mail: "メールアドレス", "メールアドレス", "E-mail address";
    register_mail_hint: "例: tencho@example.jp", "例（れい）: tencho@example.jp", "For example: tencho@example.jp";
    register_button: "登録用のリンクを送る", "リンクを 送る", "Send me the link";
    mail_missing: "メールアドレスを入力してください", "メールアドレスを 書いてください", "Enter your e-mail address";
    mail_form: "メールアドレスは tencho@example.jp のような形で入力してください", "メールアドレスは tencho@example.jp のように 書いてください", "Enter an e-mail address such as tencho@example.jp";
    mail_long: "メールアドレスは254文字までです", "メールアドレスが 長すぎます", "The e-mail address is too long";

    sent_title: "メールを確かめてください", "メールを 見てください", "Check your e-mail";
    sent_text: "登録用のリンクを送りました。メールのリンクを開いて、登録を続けてください。リンクは24時間、1回だけ使えます。このページは閉じてかまいません。", "リンクを 送りました。メールの リンクを 開いてください。リンクは 24時間、1回だけ 使えます。", "We sent you a link. Open it to continue: it is good for 24 hours, and once. You can close this page.";
    sent_late_title: "メールの送信が遅れています", "メールが おくれています", "Mail is delayed";
    sent_late: "メールの送信に一時的な問題があります。受け付けた内容は失われません。復旧しだい自動で送ります。もう一度入力する必要はありません。", "メールが すぐに 送れません。あとで 送ります。もう一度 書かなくて いいです。", "We can't send mail right now. Your request is kept and goes out as soon as possible: there is no need to enter it again.";
    sent_help_title: "メールが届かないとき", "メールが 来ないとき", "If the mail doesn't arrive";
    sent_help_typo: "メールアドレスに間違いがないか確かめてください。", "メールアドレスが 正しいか 見てください。", "Check the e-mail address for mistakes.";
    sent_help_spam: "迷惑メールのフォルダーを見てください。", "「迷惑（めいわく）メール」も 見てください。", "Look into the spam folder.";
    sent_help_domain: "携帯電話のメールでは、次の差出人からのメールを受け取れるように設定してください:", "けいたいでんわの メールは、この アドレスの メールを うけとる ように してください:", "On a mobile phone's address, allow mail from this sender:";
    sent_help_wait: "10分待っても届かないときは、もう一度送るか、別のメールアドレスをお使いください。", "10分 待って 来ない ときは、もう一度 送るか、べつの アドレスを 書いてください。", "If nothing has arrived after 10 minutes, send it again or use another address.";
    sent_help_contact: "それでも届かないときは、このページの下の連絡先にお問い合わせください。", "それでも 来ない ときは、下（した）の 連絡先（れんらくさき）に 聞いてください。", "If that doesn't help, contact us: the address is at the bottom of this page.";
    sent_again: "もう一度送る・アドレスを直す", "もう一度 送る・なおす", "Send again, or correct the address";

    link_title: "登録を続ける", "登録を つづける", "Continue";
    link_text: "次のボタンを押すと、このブラウザーで続けられます。リンクは1回だけ使えます。", "ボタンを おすと つづけられます。リンクは 1回だけ 使えます。", "Press the button to continue in this browser. The link is good once.";
    link_button: "続ける", "つづける", "Continue";
    link_used_title: "このリンクはすでに使われています", "この リンクは もう 使いました", "This link was used already";
    link_used_text: "リンクは1回だけ使えます。続きから始めるには、新しいリンクを送ってください。入力した内容は保存されています。", "リンクは 1回だけです。新しい リンクを 送ってください。書いた ものは 残っています。", "A link is good once. Send a new one to go on; what you entered is kept.";
    link_expired_title: "このリンクは期限が切れています", "この リンクは おわりました", "This link has expired";
    link_expired_text: "リンクは24時間使えます。新しいリンクを送ってください。入力した内容は保存されています。", "リンクは 24時間です。新しい リンクを 送ってください。書いた ものは 残っています。", "A link is good for 24 hours. Send a new one; what you entered is kept.";
    link_unknown_title: "このリンクは使えません", "この リンクは 使えません", "This link can't be used";
    link_unknown_text: "リンクが途中で切れていないか確かめてください。メールからコピーした場合は、最後まで入っているか確かめてください。", "リンクが ぜんぶ あるか 見てください。", "Make sure that the link is complete: mail programs sometimes cut it.";
    bad_link_next: "メールアドレスを入力すると、新しいリンクを送ります。", "メールアドレスを 書くと、新しい リンクを 送ります。", "Enter your e-mail address and we send a new link.";
    bad_link_button: "新しいリンクを送る", "新しい リンクを 送る", "Send a new link";
}
