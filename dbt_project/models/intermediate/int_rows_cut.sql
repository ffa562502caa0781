{{ rows_cut() }}
