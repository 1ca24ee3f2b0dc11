//! What was registered, to look at and to change.

texts! {
    manage_link_title: "登録した内容を見る・変更する", "登録した ものを 見る・なおす", "See or change what you registered";
    manage_link_text: "登録に使ったメールアドレスを入力してください。変更用のリンクをメールで送ります。", "登録に 使った メールアドレスを 書いてください。リンクを メールで 送ります。", "Enter the e-mail address you registered with. We send you a link.";
    manage_link_button: "変更用のリンクを送る", "リンクを 送る", "Send me the link";
    start_manage_title: "すでに登録した方", "もう 登録した 人", "Already registered?";
    start_manage: "登録した内容を見る・変更する", "登録した ものを 見る・なおす", "See or change what you registered";

    manage_title: "登録した施設", "登録した お店など", "Your places";
    manage_who: "メールアドレス:", "メールアドレス:", "E-mail address:";
    manage_text: "名前を選ぶと、ちらしの印刷、フロアや部屋の追加、コードの再発行などができます。", "名前を えらぶと、ちらしの 印刷（いんさつ）や、なおす ことが できます。", "Choose one to print its flyers, add floors or rooms, or get a new code.";
    manage_none: "このメールアドレスで登録された施設はありません。別のメールアドレスで登録していないか確かめてください。", "この メールアドレスの 登録は ありません。べつの アドレスで 登録して いませんか。", "Nothing is registered with this e-mail address. Did you use another one?";
    manage_venues: "か所", "こ", "floors or rooms";
    manage_register: "施設を登録する", "お店などを 登録する", "Register a place";
    manage_end: "終わる（このブラウザーから退出する）", "おわる", "Finish, and leave this browser signed out";
    manage_said: "施設の情報", "お店などの こと", "About the place";
    manage_more: "そのほかの手続き", "ほかの こと", "More";
    to_all: "登録した施設の一覧へ", "登録した ものへ", "To your places";
    to_facility: "施設のページへ", "お店などの ページへ", "To the page of the place";

    state_suspended: "県がこの施設のコードの使用を停止しています。読み取っても来店は記録されません。お問い合わせ先にご連絡ください。", "県が コードを 止めて います。読んでも 記録しません。とい合わせて ください。", "The prefecture has put the codes of this place on hold: visits are not recorded. Please contact us.";
    state_awaiting: "県が登録の内容を確認しています。確認が終わるまで、コードは使えません。", "県が 今 見て います。おわるまで コードは 使えません。", "The prefecture is looking at your registration. Its codes work once that is done.";
    state_over: "イベントが終わり、コードは使えなくなりました。次のイベントは新しく登録してください。", "イベントは おわりました。コードは 使えません。つぎの イベントは 新しく 登録してください。", "The event is over, and its codes work no more. Please register the next one anew.";
    state_retired: "コードは廃止されています。使うには再発行してください。", "コードは 使えません。使うには、新しい コードに してください。", "The code is retired. Get a new one to use it again.";
    state_trial: "印刷を試しています。{until}まで、来店は記録されません。", "ためして います。{until}まで 記録しません。", "The print is being tried out. Visits are not recorded until {until}.";
    state_silent: "7日間、読み取りがありません。見やすい場所に貼られているか確かめてください。", "7日間 だれも 読んで いません。見える ところに ありますか。", "Not scanned for 7 days. Please check that it is up where people see it.";

    done_edited: "施設の情報を変更しました。名前を変えたときは、ちらしを印刷し直してください。コードは変わりません。", "なおしました。名前を かえたら、ちらしを もう一度 印刷してください。コードは 同じです。", "The place was changed. If you changed its name, print its flyers again; the codes stay the same.";
    done_added: "追加しました。新しいちらしを印刷して貼ってください。", "ふやしました。新しい ちらしを 印刷してください。", "Added. Please print its flyer and put it up.";
    done_renamed: "名前を変更しました。ちらしを印刷し直してください。コードは変わりません。", "名前を かえました。ちらしを もう一度 印刷してください。コードは 同じです。", "Renamed. Please print its flyer again; the code stays the same.";
    done_reissued: "新しいコードを発行しました。新しいちらしを印刷し、古いちらしと貼り替えてください。", "新しい コードが できました。新しい ちらしを 印刷して、古い ちらしと かえてください。", "There is a new code. Please print the new flyer and put it up in the place of the old one.";
    done_retired: "コードを廃止しました。貼ってあるちらしを外してください。", "コードを やめました。ちらしを とってください。", "The code is retired. Please take its flyers down.";
    done_venue_removed: "削除しました。貼ってあるちらしを外してください。", "けしました。ちらしを とってください。", "Removed. Please take its flyers down.";
    done_trial_begun: "30秒後から1時間、試すことができます。ちらしのコードを読み取って送ると、「テスト成功」と返信が届きます。", "30びょう あとから 1時間 ためせます。コードを 読んで 送ると、「テスト できました」と 返事（へんじ）が 来ます。", "From 30 seconds from now, for an hour, you can try it out: scan the flyer, and the account answers “Test successful”.";
    done_trial_ended: "試すのを終えました。30秒後から、来店が記録されます。", "ためすのを おわりました。30びょう あとから 記録します。", "The trial ends. Visits are recorded from 30 seconds from now.";
    done_removed: "施設の登録を削除しました。貼ってあるちらしを外してください。", "登録を けしました。ちらしを とってください。", "The registration is removed. Please take its flyers down.";
    done_awaiting: "県が登録の内容を確認しています。確認が終わると、施設のページにコードとちらしが表示されます。", "県が 今 見て います。おわると、お店などの ページで コードと ちらしが 見られます。", "The prefecture looks at your registration first. Once that is done, codes and flyers are on the page of the place.";
    done_manage: "後から、名前の変更、フロアや部屋の追加、コードの再発行、登録の削除ができます。", "あとで なおしたり、ふやしたり、けしたり できます。", "Later you can change names, add floors or rooms, get new codes, or remove the registration.";

    edit_title: "施設の情報を変更する", "お店などの ことを なおす", "Change what is said of the place";
    edit_button: "変更する", "なおす", "Save";
    error_room_new: "フロアや部屋の名前を入力してください", "名前を 書いてください", "Enter a name";

    venue_name: "フロア・部屋の名前", "階・部屋の 名前", "Name of the floor or room";
    venue_name_hint: "来た人に表示されます。変えてもコードは変わりません。", "来た 人に 見えます。コードは 同じです。", "Shown to visitors. The code stays the same.";
    venue_rename: "名前を変更する", "名前を かえる", "Rename";
    venue_more: "コードの手続き", "コードの こと", "The code";

    scans_title: "読み取りの回数", "読んだ 回数（かいすう）", "How often it is scanned";
    scans_text: "きのうまでの14日間の回数です。だれが読み取ったかは、だれにも表示されません。10回未満の日は、人が特定されないよう回数を表示しません。", "きのうまでの 14日間です。だれが 読んだかは 見えません。10回より 少ない 日は、数を 出しません。", "Of the last 14 days, up to yesterday. Nobody can see who scanned it. Numbers below 10 are not shown, so that they tell of nobody.";
    scans_day: "日", "日", "Day";
    scans_count: "回数", "回数", "Scans";
    scans_none: "まだ回数はありません。あすから表示されます。", "まだ ありません。あしたから 出ます。", "There are no numbers yet; they begin tomorrow.";
    scans_few: "10回未満", "10回より 少ない", "fewer than 10";

    confirm_back: "変更せずに戻る", "もどる", "Back, and change nothing";
    reissue_title: "コードを再発行する", "新しい コードに する", "Get a new code";
    reissue_text: "新しいコードを発行します。ちらしをなくしたとき、コードの写真が出回っているとき、ちらしに手を加えられたときにお使いください。", "新しい コードを つくります。ちらしを なくした ときや、コードの 写真（しゃしん）が 広まった ときに 使ってください。", "Use this if flyers were lost or tampered with, or if a picture of the code is going round.";
    reissue_old: "今までのコードは、いつまで使えるようにしますか", "今までの コードは いつまで 使えますか", "How long is the old code to work?";
    reissue_now: "すぐに使えなくする（盗まれた・悪用されたとき）", "すぐに 使えなく する（ぬすまれた とき）", "Not any more (it was stolen or misused)";
    reissue_week: "7日間（貼り替えるまで両方使えます）", "7日間（その間は どちらも 使えます）", "7 days (both work while you put the new flyers up)";
    reissue_month: "28日間（貼り替えるまで両方使えます）", "28日間（その間は どちらも 使えます）", "28 days (both work while you put the new flyers up)";
    reissue_button: "新しいコードを発行する", "新しい コードに する", "Get a new code";
    retire_title: "コードを廃止する", "コードを やめる", "Retire the code";
    retire_text: "このコードはすぐに使えなくなります。読み取った人には、使われていないコードだと返信します。再発行すると、新しいコードで再開できます。", "この コードは すぐに 使えなく なります。新しい コードに すれば、また 使えます。", "The code stops working at once, and visitors who scan it are told so. You can start again with a new code.";
    retire_button: "コードを廃止する", "コードを やめる", "Retire the code";
    remove_venue_title: "このフロア・部屋を削除する", "この 階・部屋を けす", "Remove this floor or room";
    remove_venue_text: "一覧から消え、コードはすぐに使えなくなります。元に戻すことはできません。", "なくなります。コードは すぐに 使えなく なります。もとに もどせません。", "It goes from your list, and its code stops working at once. This can't be undone.";
    remove_venue_button: "削除する", "けす", "Remove";
    try_title: "印刷したものを試す", "印刷した ものを ためす", "Try out the print";
    try_text: "30秒後から1時間、このコードを読み取ると「テスト成功」と返信が届きます。その間は、お客さまが読み取っても来店は記録されません。お客さまが来る前に試してください。", "30びょう あとから 1時間、コードを 読むと「テスト できました」と 返事が 来ます。その 間は、お客さんが 読んでも 記録しません。お客さんが 来る 前に ためしてください。", "From 30 seconds from now, for an hour, whoever scans the code gets the answer “Test successful”. Visits are NOT recorded meanwhile: please do it before guests come.";
    try_button: "試しはじめる", "ためす", "Begin";
    end_trial_title: "試すのを終える", "ためすのを おわる", "End the trial";
    end_trial_text: "30秒後から、読み取った人の来店が記録されます。", "30びょう あとから 記録します。", "Visits are recorded again from 30 seconds from now.";
    end_trial_button: "終える", "おわる", "End";
    copy_title: "同じような施設（支店）を登録する", "同じような お店を 登録する", "Register a branch like this one";
    copy_text: "種類・電話番号・フロアや部屋の名前を引き継いで、新しい登録を始めます。今の登録は変わりません。", "同じ ところを うつして、新しい 登録を はじめます。今の 登録は かわりません。", "Begins a new registration with the same kind, phone number, and names of floors and rooms. This one stays as it is.";
    copy_draft: "途中まで入力した別の登録があります。続けると、それは消えます。", "とちゅうの 登録が あります。つづけると、それは きえます。", "You have begun another registration. It will be lost if you go on.";
    copy_button: "登録を始める", "はじめる", "Begin";
    remove_title: "この施設の登録を削除する", "この 登録を けす", "Remove this registration";
    remove_text: "すべてのコードがすぐに使えなくなり、住所・電話番号・メールアドレスとの結び付きを削除します。元に戻すことはできません。", "コードは ぜんぶ すぐに 使えなく なります。住所・電話番号・メールアドレスを けします。もとに もどせません。", "All its codes stop working at once, and address, phone number and the tie to your e-mail address are deleted. This can't be undone.";
    remove_kept: "すでに来店した方へお知らせできるように、施設と場所の名前だけは、来店の記録が消えるまで（{days}日あまり）残ります。", "もう 来た 人に 知らせる ために、名前だけは {days}日と すこし 残ります。そのあと きえます。", "Only the names of the place and its rooms stay, for a little over {days} days, while visits are still kept: those who came can be told until then.";
    remove_flyers: "貼ってあるちらしを外してください。", "ちらしを とってください。", "Please take its flyers down.";
    remove_button: "登録を削除する", "登録を けす", "Remove";

    letter_manage_subject: "【安心みえるLINE】登録した内容の変更", "【安心みえるLINE】登録した ものを 見る・なおす", "[Anshin LINE] Change what you registered";
    letter_manage_text: "登録した施設を見たり変更したりするには、次のリンクを開いてください。{n}{link}{n}{n}リンクは24時間、1回だけ使えます。{n}{n}心当たりがない場合は、このメールを削除してください。何も変更されません。", "登録した ものを 見る・なおすには、この リンクを 開いてください。{n}{link}{n}{n}リンクは 24時間、1回だけ 使えます。{n}{n}知らない 場合は、この メールを けしてください。", "Open this link to see or change what you registered:{n}{link}{n}{n}It is good for 24 hours, and once.{n}{n}If you did not ask for this, delete this mail: nothing is changed.";
    letter_removed_subject: "【安心みえるLINE】施設の登録を削除しました（受付番号 {reference}）", "【安心みえるLINE】登録を けしました（番号 {reference}）", "[Anshin LINE] Your registration was removed (reference {reference})";
    letter_removed_text: "施設の登録を削除しました。コードは使えません。貼ってあるちらしを外してください。{n}{n}受付番号: {reference}{n}{n}心当たりがない場合は、お問い合わせ先にご連絡ください。{n}{link}", "登録を けしました。コードは 使えません。ちらしを とってください。{n}{n}番号: {reference}{n}{n}知らない 場合は、とい合わせて ください。{n}{link}", "The registration was removed, and its codes work no more. Please take its flyers down.{n}{n}Reference number: {reference}{n}{n}If this was not you, please contact us.{n}{link}";
}
