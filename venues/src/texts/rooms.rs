//! Floors and rooms.

texts! {
    step_rooms: "3/5 フロア・部屋", "3/5 階（かい）・部屋（へや）", "Step 3 of 5: floors and rooms";
    rooms_title: "フロアや部屋の名前を入力してください", "階や 部屋の 名前を 書いてください", "Name the floors and rooms";
    rooms_text: "コードは、ここに並ぶ一つひとつに作られます。部屋が分かれている場合は分けると、お知らせの範囲が正確になります。分けない場合は1つのままで進んでください。", "1つに 1つ、コードが できます。部屋が べつなら、わけてください。1つでも いいです。", "Each of these gets its own QR code. If there are separate rooms, list them: notices reach the right people then. If there is only one, leave it as it is.";
    rooms_label: "名前", "名前", "Name";
    rooms_new: "追加する名前", "ふやす 名前", "Add one more";
    rooms_new_hint: "例: 2階、大ホール、個室A", "例: 2階、大ホール", "For example: 2F, Main hall, Room A";
    rooms_add: "追加", "ふやす", "Add";
    rooms_up: "上へ", "上（うえ）へ", "Up";
    rooms_down: "下へ", "下（した）へ", "Down";
    rooms_remove: "削除", "けす", "Remove";
    rooms_many: "10件より多いとき", "たくさん あるとき", "More than 10?";
    rooms_file_link: "CSVファイルでまとめて追加する", "ファイルで ふやす", "Add them from a CSV file";
    rooms_count: "件", "こ", "in all";
    rooms_pages: "ページ", "ページ", "Pages";
    error_room_missing: "フロアや部屋の名前を入力してください。不要な場合は「削除」を押してください", "名前を 書いてください。いらない ときは「けす」を おしてください", "Enter a name, or press “Remove”";
    error_room_none: "フロアや部屋を1つ以上入力してください", "1つは 書いてください", "Enter at least one";
    error_room_twice: "同じ名前があります。区別できる名前にしてください", "同じ 名前が あります", "This name is there already: make it different";
    error_room_many: "フロアや部屋は1,000件までです", "1,000こまでです", "There can be at most 1,000";

    file_title: "CSVファイルでまとめて追加する", "ファイルで ふやす", "Add floors and rooms from a file";
    file_text: "1行に1つ、フロアや部屋の名前を書いたCSVファイルを選んでください。文字コードはUTF-8でもShift_JIS（Excelの「CSV」）でもかまいません。1行目の見出し「名前」はあってもなくてもかまいません。", "1行に 1つ、名前を 書いた CSVファイルを えらんでください。", "Choose a CSV file with one name a line, in UTF-8 or Shift_JIS (as Excel saves it). A first line with the heading 名前 or name is fine.";
    file_label: "CSVファイル", "CSVファイル", "CSV file";
    file_hint: "1MBまで、1,000行まで", "1MBまで、1,000行まで", "Up to 1 MB and 1,000 lines";
    file_button: "追加する", "ふやす", "Add";
    file_missing: "CSVファイルを選んでください", "ファイルを えらんでください", "Choose a file";
    file_errors_title: "ファイルを直して、もう一度選んでください。まだ何も追加されていません。", "ファイルを なおしてください。まだ ふえていません。", "Correct the file and choose it again. Nothing was added.";
    file_line: "行", "行（ぎょう）", "Line";
    file_problem: "直すところ", "なおす ところ", "What to correct";
    file_errors: "ファイルに直すところがあります", "ファイルに なおす ところが あります", "There is something to correct in the file";
    file_back: "フロアや部屋の一覧へ戻る", "もどる", "Back to the list";
    file_encoding: "文字コードは UTF-8 か Shift_JIS にしてください", "UTF-8か Shift_JISに してください", "Save the file as UTF-8 or Shift_JIS";
    file_column: "「名前」の列が見つかりません。列が2つ以上あるときは、1行目に「名前」の見出しを書いてください", "「名前」の 列が ありません", "There is no column 名前 (or name). With two or more columns, the first line must name them";
    file_many: "一度に1,000行までです", "1,000行までです", "At most 1,000 lines at a time";
    file_empty: "名前が1件もありません", "名前が ありません", "There is no name in it";
    file_twice: "同じ名前があります", "同じ 名前が あります", "This name is there already";
    file_unreadable: "行を読み取れません", "行が 読めません", "The line can't be read";
}
